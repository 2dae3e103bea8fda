"""New tensors: filled, counted, random. Floats are float32 and integers int64 unless a dtype is named.

A shape is one integer or several, a tuple or a list. All raise TypeError for sizes that are not integers, for a
dtype that tensors can't have, and for `requires_grad` with integers; ValueError for sizes below 0 and for a
device of no such name.
"""

from __future__ import annotations

import operator

import numpy as np
import numpy.typing as npt

from tinydl.device import Device, get_device
from tinydl.op import check_tensors
from tinydl.operators import Scalar
from tinydl.random import GeneratorLike, as_generator
from tinydl.tensor import Tensor, supported

Shape = int | tuple[int, ...]


def full(
    shape: Shape,
    value: Scalar,
    requires_grad: bool = False,
    dtype: npt.DTypeLike | None = None,
    device: str | Device | None = None,
) -> Tensor:
    """A tensor of one value; without `dtype` floats give float32, integers int64, booleans bool.

    NumPy's integers keep their dtype. Raises TypeError for a value that is no number, ValueError for sizes < 0.
    """
    if dtype is None:
        dtype = np.float32 if isinstance(value, float) else np.asarray(value).dtype
    home = get_device(device)
    return Tensor(home.xp.full(shape, value, dtype=supported("full", dtype)), home, requires_grad)


def zeros(
    *shape: Shape,
    requires_grad: bool = False,
    dtype: npt.DTypeLike = np.float32,
    device: str | Device | None = None,
) -> Tensor:
    """A tensor of zeros, float32 unless said; zeros(2, 3) and zeros((2, 3)) are the same.

    Raises: ValueError for sizes below 0, TypeError for sizes that are not integers.
    """
    return full(_shape(shape), 0, requires_grad, dtype, device)


def ones(
    *shape: Shape,
    requires_grad: bool = False,
    dtype: npt.DTypeLike = np.float32,
    device: str | Device | None = None,
) -> Tensor:
    """A tensor of ones, float32 unless said; ones(2, 3) and ones((2, 3)) are the same.

    Raises: ValueError for sizes below 0, TypeError for sizes that are not integers.
    """
    return full(_shape(shape), 1, requires_grad, dtype, device)


def zeros_like(x: Tensor, requires_grad: bool = False, dtype: npt.DTypeLike | None = None) -> Tensor:
    """Zeros in the shape, dtype and memory layout of x, on its device.

    Raises: TypeError for a dtype that tensors can't have, and for `requires_grad` with integers.
    """
    check_tensors("zeros_like", x)
    dtype = supported("zeros_like", dtype or x.dtype)
    return Tensor(x.device.xp.zeros_like(x._data, dtype=dtype), x.device, requires_grad)


def ones_like(x: Tensor, requires_grad: bool = False, dtype: npt.DTypeLike | None = None) -> Tensor:
    """Ones in the shape, dtype and memory layout of x, on its device.

    Raises: TypeError for a dtype that tensors can't have, and for `requires_grad` with integers.
    """
    check_tensors("ones_like", x)
    dtype = supported("ones_like", dtype or x.dtype)
    return Tensor(x.device.xp.ones_like(x._data, dtype=dtype), x.device, requires_grad)


def arange(
    start: float,
    stop: float | None = None,
    step: float = 1,
    dtype: npt.DTypeLike | None = None,
    device: str | Device | None = None,
) -> Tensor:
    """start, start + step, ... below stop; from 0 when only one bound is given.

    Shape (ceil((stop - start) / step),); int64, or float32 when one of the three is a float of any kind. Raises
    ValueError for a step of 0, TypeError for what is no number.
    """
    if stop is None:
        start, stop = 0, start
    start, stop, step = (v.item() if hasattr(v, "item") else v for v in (start, stop, step))
    if not all(isinstance(v, int | float) for v in (start, stop, step)):
        raise TypeError(f"arange: expected numbers, got start {start!r}, stop {stop!r}, step {step!r}")
    if step == 0:
        raise ValueError(f"arange: the step must not be 0 (from {start} to {stop})")
    if dtype is None:
        dtype = np.float32 if any(isinstance(v, float) for v in (start, stop, step)) else np.int64
    home = get_device(device)
    return Tensor(home.xp.arange(start, stop, step, dtype=supported("arange", dtype)), home)


def eye(
    n: int, m: int | None = None, dtype: npt.DTypeLike = np.float32, device: str | Device | None = None
) -> Tensor:
    """The n x m identity matrix, float32 unless said, square unless m is given. Raises ValueError below 0."""
    home = get_device(device)
    return Tensor(home.xp.eye(n, m, dtype=supported("eye", dtype)), home)


def rand(
    *shape: Shape,
    generator: GeneratorLike = None,
    requires_grad: bool = False,
    dtype: npt.DTypeLike = np.float32,
    device: str | Device | None = None,
) -> Tensor:
    """Uniform numbers in [0, 1), float32 or float64; the shape as in `zeros`.

    Raises: TypeError for another dtype and for another kind of `generator`, ValueError for sizes below 0.
    """
    home = get_device(device)
    return Tensor(home.uniform(as_generator(generator), _shape(shape), dtype), home, requires_grad)


def randn(
    *shape: Shape,
    generator: GeneratorLike = None,
    requires_grad: bool = False,
    dtype: npt.DTypeLike = np.float32,
    device: str | Device | None = None,
) -> Tensor:
    """Standard normal numbers, float32 or float64, by Box and Muller (1958); the shape as in `zeros`.

    Raises: TypeError for another dtype and for another kind of `generator`, ValueError for sizes below 0.
    """
    home = get_device(device)
    return Tensor(home.normal(as_generator(generator), _shape(shape), dtype), home, requires_grad)


def _shape(shape: tuple[Shape, ...]) -> tuple[int, ...]:
    sizes = shape[0] if len(shape) == 1 and isinstance(shape[0], tuple | list) else shape
    return tuple(operator.index(n) for n in sizes)  # type: ignore[arg-type]  # integers by now
