"""All operations of a neural network as functions, under the names of the field."""

from __future__ import annotations

from tinydl.ops.activation import (
    elu,
    leaky_relu,
    log_softmax,
    maxout,
    relu,
    sigmoid,
    softmax,
    softplus,
    tanh,
)
from tinydl.ops.conv import conv2d, conv_transpose2d
from tinydl.ops.linalg import dense
from tinydl.ops.pool import avg_pool2d, max_pool2d, min_pool2d
from tinydl.ops.reduce import logsumexp

__all__ = [
    "avg_pool2d",
    "conv2d",
    "conv_transpose2d",
    "dense",
    "elu",
    "leaky_relu",
    "log_softmax",
    "logsumexp",
    "max_pool2d",
    "maxout",
    "min_pool2d",
    "relu",
    "sigmoid",
    "softmax",
    "softplus",
    "tanh",
]
