"""Conversions: to another dtype, to another device."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tinydl.device import Array, Device, get_device
from tinydl.op import Op
from tinydl.tensor import Tensor, supported


class AsType(Op):
    """out = x in another dtype,  dx = g in the dtype of x."""

    __slots__ = ("before", "to")
    name = "astype"
    promotes = "never"
    views = True  # x itself when it has the dtype already

    def __init__(self, to: np.dtype[Any]) -> None:
        self.to = to

    def forward(self, x: Array) -> Array:
        self.before = x.dtype
        return x.astype(self.to, copy=False)

    def backward(self, g: Any) -> Any:
        return g.astype(self.before)


class AsInteger(AsType):
    """out = x in an integer or boolean dtype: no gradient flows through it."""

    __slots__ = ()
    name = "astype"
    differentiable = False


class To(Op):
    """out = x on another device,  dx = g on the device of x."""

    __slots__ = ("before", "to")
    promotes = "never"

    def __init__(self, to: Device) -> None:
        self.to = to

    def forward(self, x: Array) -> Array:
        # The gate takes `device` for the output's: g will come from there.
        self.before, self.device = self.device, self.to
        return self.to.asarray(self.before.to_host(x))

    def backward(self, g: Any) -> Any:
        return To(self.before)(g)


def astype(x: Tensor, dtype: npt.DTypeLike) -> Tensor:
    """x in another dtype, in its shape; gradients come back in the dtype of x. To integers: no gradient.

    Raises: TypeError for a dtype that is not boolean, integer, float32 or float64.
    """
    to = supported("astype", dtype)
    return (AsType if to.kind in "fc" else AsInteger)(to)(x)


def to(x: Tensor, device: str | Device) -> Tensor:
    """A copy of x on another device; x itself when it is there already. Gradients come back to the device of x.

    Shape and dtype stay. Raises ValueError for a device of no such name.
    """
    home = get_device(device)
    return x if home is x.device else To(home)(x)
