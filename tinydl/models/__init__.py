"""The networks of the course, under the names of the field."""

from tinydl.models.lenet import LeNet5

__all__ = ["LeNet5"]
