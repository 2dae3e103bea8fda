"""Layers: functions that own their parameters."""

from tinydl.nn.activation import ELU, LeakyReLU, Maxout, ReLU, Sigmoid, Softmax, Softplus, Tanh
from tinydl.nn.conv import Conv2d, ConvTranspose2d
from tinydl.nn.dense import Dense
from tinydl.nn.module import Module, ModuleList, Parameter, Sequential
from tinydl.nn.pool import AvgPool2d, MaxPool2d, MinPool2d
from tinydl.nn.shape import Flatten, Reshape

__all__ = [
    "ELU",
    "AvgPool2d",
    "Conv2d",
    "ConvTranspose2d",
    "Dense",
    "Flatten",
    "LeakyReLU",
    "MaxPool2d",
    "Maxout",
    "MinPool2d",
    "Module",
    "ModuleList",
    "Parameter",
    "ReLU",
    "Reshape",
    "Sequential",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Tanh",
]
