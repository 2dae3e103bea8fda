"""What a row of the grid draws."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import tinydl as td


@dataclass(frozen=True)
class Case:
    """One call, and the same call by other means.

    `ours` is a function of the input tensors alone; what else it uses it moves to where they are. `reference`
    is a function of NumPy arrays: plain loops, or the formula written down independently of our kernels.
    `torch`, `autograd` and `mygrad` get the library's module first (torch, autograd.numpy, mygrad), then its
    arrays; None where it has nothing of the kind or means something else here, and a comment says what.
    """

    inputs: list[td.Tensor]  # float64, differentiated where they require gradients
    ours: Callable[..., Any]
    reference: Callable[..., Any]
    torch: Callable[..., Any] | None = None
    autograd: Callable[..., Any] | None = None
    mygrad: Callable[..., Any] | None = None
    order: int = 2  # how often it can be differentiated; 0: the output is a constant
    tol: float = 1e-11  # beside the reference and the other libraries, relative and absolute


Row = Callable[[Any], Case]  # of what Hypothesis' `data()` gives
