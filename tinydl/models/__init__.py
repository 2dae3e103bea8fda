"""The networks of the course, under the names of the field."""

from tinydl.models.lenet import LeNet5
from tinydl.models.mlp import MLP
from tinydl.models.perceptron import Perceptron

__all__ = ["MLP", "LeNet5", "Perceptron"]
