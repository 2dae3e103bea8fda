"""The kernels of the CPU inside `td.numba_kernels()`: those that Numba compiles, and NumPy's for the rest.

NumPy reads and writes whole blocks once for every sum and product of a formula; a compiled loop does all of it while
a number is there. That pays where memory is the limit: steps of optimisers (numba_optim.py), batch normalisation
(numba_norm.py) and the gradient of ReLU (numba_elementwise.py). It does not for products and convolutions, which are
BLAS's, for exponentials, where NumPy's are faster than Numba's, nor for ReLU itself and max pooling.
"""

from __future__ import annotations

from tinydl.kernels.cpu import (
    add_bias,
    channel_sums,
    conv2d,
    conv2d_input_gradient,
    conv2d_weight_gradient,
    cross_entropy,
    cross_entropy_gradient,
    elementwise,
    matmul,
    max_pool2d,
    max_pool2d_chosen,
    max_pool2d_gradient,
    relu,
    sum_pool2d,
    sum_pool2d_gradient,
)
from tinydl.kernels.numba_elementwise import activation, updates
from tinydl.kernels.numba_norm import batch_norm, batch_norm_gradient
from tinydl.kernels.numba_optim import adam_update, sgd_update

__all__ = [
    "activation",
    "adam_update",
    "add_bias",
    "batch_norm",
    "batch_norm_gradient",
    "channel_sums",
    "conv2d",
    "conv2d_input_gradient",
    "conv2d_weight_gradient",
    "cross_entropy",
    "cross_entropy_gradient",
    "elementwise",
    "matmul",
    "max_pool2d",
    "max_pool2d_chosen",
    "max_pool2d_gradient",
    "relu",
    "sgd_update",
    "sum_pool2d",
    "sum_pool2d_gradient",
    "updates",
]
