"""tinydl: a neural-network engine to read, to trust and to use.

import tinydl as td
x = td.tensor([1.0, 2.0, 3.0], requires_grad=True)
(x * x).sum().backward()
x.grad                                    # tensor([2., 4., 6.])
"""

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

from tinydl import functional, init, losses, metrics, nn, optim
from tinydl.autograd import detect_anomaly, grad, no_grad
from tinydl.calculus import hessian, hvp, jacobian, jvp, vjp
from tinydl.compiled import compile
from tinydl.creation import arange, eye, full, ones, ones_like, rand, randn, zeros, zeros_like
from tinydl.device import Device, numba_kernels, textbook
from tinydl.errors import DeviceError, DTypeError, GraphError, ShapeError
from tinydl.op import Op
from tinydl.ops import methods as _methods  # noqa: F401  binds the operators to Tensor
from tinydl.ops.activation import relu, sigmoid, tanh
from tinydl.ops.arithmetic import abs, clip, cos, exp, log, maximum, minimum, sign, sin, sqrt, where
from tinydl.ops.arithmetic import power as pow
from tinydl.ops.einsum import einsum
from tinydl.ops.index import take_along_axis
from tinydl.ops.linalg import matmul
from tinydl.ops.reduce import argmax, argmin, cumsum, max, mean, min, prod, std, sum, var
from tinydl.ops.shape import (
    broadcast_to,
    cat,
    flatten,
    flip,
    pad,
    reshape,
    split,
    squeeze,
    stack,
    transpose,
    unsqueeze,
)
from tinydl.random import Generator, manual_seed
from tinydl.serialization import load, save
from tinydl.tensor import Tensor, tensor
from tinydl.trace import trace
from tinydl.version import VERSION

if TYPE_CHECKING:
    from tinydl import data, explain, models, plot, testing, train

__version__ = VERSION

_LATER = ("data", "explain", "models", "plot", "testing", "train")  # `import tinydl` would take twice as long


def __getattr__(name: str) -> ModuleType:
    """Imports a part of the package when it is first asked for."""
    if name in _LATER:
        return import_module(f"tinydl.{name}")
    raise AttributeError(f"module 'tinydl' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})


__all__ = [
    "DTypeError",
    "Device",
    "DeviceError",
    "Generator",
    "GraphError",
    "Op",
    "ShapeError",
    "Tensor",
    "abs",
    "arange",
    "argmax",
    "argmin",
    "broadcast_to",
    "cat",
    "clip",
    "compile",
    "cos",
    "cumsum",
    "data",
    "detect_anomaly",
    "einsum",
    "exp",
    "explain",
    "eye",
    "flatten",
    "flip",
    "full",
    "functional",
    "grad",
    "hessian",
    "hvp",
    "init",
    "jacobian",
    "jvp",
    "load",
    "log",
    "losses",
    "manual_seed",
    "matmul",
    "max",
    "maximum",
    "mean",
    "metrics",
    "min",
    "minimum",
    "models",
    "nn",
    "no_grad",
    "numba_kernels",
    "ones",
    "ones_like",
    "optim",
    "pad",
    "plot",
    "pow",
    "prod",
    "rand",
    "randn",
    "relu",
    "reshape",
    "save",
    "sigmoid",
    "sign",
    "sin",
    "split",
    "sqrt",
    "squeeze",
    "stack",
    "std",
    "sum",
    "take_along_axis",
    "tanh",
    "tensor",
    "testing",
    "textbook",
    "trace",
    "train",
    "transpose",
    "unsqueeze",
    "var",
    "vjp",
    "where",
    "zeros",
    "zeros_like",
]
