"""Layers: functions that own their parameters.

Parameters are made in float32 on the CPU; `Module.astype` and `Module.to` change that. A layer raises, when called,
what the function of `td.functional` that it uses raises, in its own name: TypeError for what is no tensor and for
float64 beside its float32, RuntimeError for another device, ValueError for a shape that does not fit.
"""

from tinydl.nn.activation import ELU, LeakyReLU, Maxout, ReLU, Sigmoid, Softmax, Softplus, Tanh
from tinydl.nn.conv import Conv2d, ConvTranspose2d
from tinydl.nn.dense import Dense
from tinydl.nn.dropout import Dropout
from tinydl.nn.embedding import Embedding
from tinydl.nn.module import Module, ModuleList, Parameter, Sequential
from tinydl.nn.norm import BatchNorm1d, BatchNorm2d, GroupNorm, LayerNorm
from tinydl.nn.pool import AvgPool2d, MaxPool2d, MinPool2d
from tinydl.nn.resize import AdaptiveAvgPool2d, Upsample
from tinydl.nn.shape import Flatten, Reshape

__all__ = [
    "ELU",
    "AdaptiveAvgPool2d",
    "AvgPool2d",
    "BatchNorm1d",
    "BatchNorm2d",
    "Conv2d",
    "ConvTranspose2d",
    "Dense",
    "Dropout",
    "Embedding",
    "Flatten",
    "GroupNorm",
    "LayerNorm",
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
    "Upsample",
]
