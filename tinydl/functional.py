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
from tinydl.ops.dropout import dropout
from tinydl.ops.index import one_hot
from tinydl.ops.linalg import dense
from tinydl.ops.norm import batch_norm, group_norm, layer_norm
from tinydl.ops.pool import avg_pool2d, max_pool2d, min_pool2d
from tinydl.ops.reduce import logsumexp
from tinydl.ops.resize import adaptive_avg_pool2d, interpolate, max_unpool2d

__all__ = [
    "adaptive_avg_pool2d",
    "avg_pool2d",
    "batch_norm",
    "conv2d",
    "conv_transpose2d",
    "dense",
    "dropout",
    "elu",
    "group_norm",
    "interpolate",
    "layer_norm",
    "leaky_relu",
    "log_softmax",
    "logsumexp",
    "max_pool2d",
    "max_unpool2d",
    "maxout",
    "min_pool2d",
    "one_hot",
    "relu",
    "sigmoid",
    "softmax",
    "softplus",
    "tanh",
]
