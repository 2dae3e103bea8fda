"""Einstein summation."""

from __future__ import annotations

from typing import Any

from tinydl.device import Array
from tinydl.errors import DTypeError, ShapeError
from tinydl.op import Op, check_tensors
from tinydl.tensor import Tensor


class Einsum(Op):
    """out = the sum of products that the letters name;  dx_i = the same sum with g in the place of x_i.

    Every letter of an input stands in it once, and again in the output or in another input: `einsum` sees to
    that. So the gradient of an input is an Einstein sum, too: of g and the other inputs, to its letters.
    """

    __slots__ = ("letters", "to")

    def __init__(self, letters: list[str], to: str) -> None:
        self.letters, self.to = letters, to

    def forward(self, *xs: Array) -> Array:
        return self.device.xp.einsum(f"{','.join(self.letters)}->{self.to}", *xs)

    def backward(self, g: Any, *xs: Any) -> Any:
        def gradient(i: int) -> Any:
            rest = [j for j in range(len(xs)) if j != i]
            return Einsum([self.to, *(self.letters[j] for j in rest)], self.letters[i])(
                g, *(xs[j] for j in rest)
            )

        return tuple(gradient(i) if needed else None for i, needed in enumerate(self.needs))


def einsum(subscripts: str, *tensors: Tensor) -> Tensor:
    """Sums of products over named axes: "ij,jk->ik" is a matrix product (as `numpy.einsum`).

    Without "->" the letters that stand once are the output, in alphabetical order. Letters may repeat within
    an input (a diagonal), and be in one input alone (a plain sum). "..." is not supported. With one input the
    result may share its memory. Integers stay integers. Raises ValueError for letters that do not fit the shapes,
    TypeError for plain arrays and for float32 with float64, RuntimeError for two devices.
    """
    who = "einsum"
    if not isinstance(subscripts, str):
        raise DTypeError(who, f"expected subscripts such as 'ij,jk->ik', got {type(subscripts).__name__}")
    check_tensors(who, *tensors)
    left, arrow, to = subscripts.replace(" ", "").partition("->")
    letters = left.split(",")
    if not all(c.isalpha() for c in (left + to).replace(",", "")) or "," in to:
        raise ShapeError(who, f"expected letters, commas and '->', got {subscripts!r}")
    if len(letters) != len(tensors):
        raise ShapeError(who, f"{subscripts!r} names {len(letters)} inputs, got {len(tensors)}")
    if not arrow:
        to = "".join(sorted(c for c in set(left) - {","} if left.count(c) == 1))
    lengths: dict[str, int] = {}
    for names, x in zip(letters, tensors, strict=True):
        if len(names) != x.ndim:
            raise ShapeError(who, f"{names!r} of {subscripts!r} names {len(names)} axes, got shape {x.shape}")
        for name, n in zip(names, x.shape, strict=True):
            if lengths.setdefault(name, n) != n:
                raise ShapeError(who, f"axis {name!r} of {subscripts!r} has lengths {lengths[name]} and {n}")
    if len(set(to)) < len(to) or any(c not in lengths for c in to):
        raise ShapeError(
            who, f"the output {to!r} of {subscripts!r} must name letters of the inputs, once each"
        )
    inputs = list(tensors)
    for i, names in enumerate(letters):
        for name in sorted({c for c in names if names.count(c) > 1}):
            inputs[i], letters[i] = _diagonal(inputs[i], letters[i], name)
        alone = [
            c for c in letters[i] if c not in to and all(c not in s for j, s in enumerate(letters) if j != i)
        ]
        if alone:
            inputs[i] = inputs[i].sum(axis=tuple(letters[i].index(c) for c in alone))
            letters[i] = "".join(c for c in letters[i] if c not in alone)
    if len(inputs) == 1:  # only the order of the axes is left to change
        return inputs[0].transpose(tuple(letters[0].index(c) for c in to))
    return Einsum(letters, to)(*inputs)


def _diagonal(x: Tensor, letters: str, name: str) -> tuple[Tensor, str]:
    """x[..., i, ..., i, ...] along the axes that share a name, as one axis in front: so C order stays C order."""
    axes = [i for i, c in enumerate(letters) if c == name]
    others = [i for i in range(x.ndim) if i not in axes]
    places = x.device.xp.arange(x.shape[axes[0]])
    moved = x.transpose((*axes, *others))
    return moved[tuple(places for _ in axes)], name + "".join(letters[i] for i in others)
