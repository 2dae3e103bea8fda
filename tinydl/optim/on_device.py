"""Steps of an optimiser whose numbers the device reads from its own memory.

A step that `td.compile` captures is repeated without Python, so learning rate and step number can't be numbers of
Python in it: they are asked for again before each repetition (`Capture.each`). A device that has a kernel for the
optimiser's rule reads them so in every step, and changes a parameter with one launch instead of a dozen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from tinydl.capture import current
from tinydl.device import Array

if TYPE_CHECKING:
    from tinydl.optim.optimizer import Optimizer

Host: TypeAlias = npt.NDArray[Any]


def step_on_device(optimizer: Optimizer, moving: list[int]) -> None:
    """One step for the parameters with these numbers, which have gradients. Raises RuntimeError in a captured step
    for parameters of several dtypes or none, and for a rule without `rates`."""
    capture = current()
    device = optimizer.params[moving[0] if moving else 0].device

    def ask(host: Callable[[], Host]) -> Array:
        return device.asarray(host()) if capture is None else capture.each(host)

    count = _counting(optimizer, moving)
    views = _as_they_lie(optimizer, moving) if optimizer.has_kernel(device) else None
    if views is not None:
        steps = ask(lambda: np.array(count(), np.int64))
        lr = ask(lambda: np.array([optimizer.lr]))
        for j, (i, arrays) in enumerate(zip(moving, views, strict=True)):
            optimizer.params[i].touch()
            optimizer.launch(device, lr, steps[j : j + 1], *arrays)
        return
    dtypes = {optimizer.params[i].dtype for i in moving}
    who = type(optimizer).__name__
    if not optimizer.has_rates:
        raise RuntimeError(
            f"{who}.update computes with numbers of its own; write {who}.rates, and let update begin with "
            "self.numbers(step)"
        )
    if len(dtypes) != 1:
        raise RuntimeError(
            f"{who}: expected gradients of one dtype, got {' and '.join(sorted(map(str, dtypes))) or 'none'}"
        )
    rates = ask(lambda: np.array([optimizer.rates(step) for step in count()], dtypes.copy().pop()))
    optimizer.apply(zip(moving, rates, strict=True))


def _counting(optimizer: Optimizer, moving: list[int]) -> Callable[[], list[int]]:
    """What counts a step each time that it is called, and gives the step number of each parameter.

    Raises RuntimeError when the optimiser is no longer what it was: the device would go on with the old one.
    """
    who, arrays, settings = (
        type(optimizer).__name__,
        [p._data for p in optimizer.params],
        _settings(optimizer),
    )

    def count() -> list[int]:
        if any(p._data is not array for p, array in zip(optimizer.params, arrays, strict=True)):
            raise RuntimeError(
                f"{who}: a parameter was replaced since the step was captured; compile it again"
            )
        if (now := _settings(optimizer)) != settings:
            raise RuntimeError(
                f"{who}: the step was captured with {settings}, and now it is {now}; compile it again"
            )
        optimizer.steps += 1
        for i in moving:
            optimizer.taken[i] += 1
        return [optimizer.taken[i] for i in moving]

    return count


def _settings(optimizer: Optimizer) -> dict[str, Any]:
    return {name: getattr(optimizer, name) for name in optimizer.hyperparameters if name != "lr"}


def _as_they_lie(optimizer: Optimizer, moving: list[int]) -> list[tuple[Array, ...]] | None:
    """Parameters, gradients and buffers with their axes in the order of memory, all in C order then.

    None where a parameter has gaps in memory: a kernel would write into them.
    """
    found = []
    for i in moving:
        p = optimizer.params[i]
        assert p._grad is not None
        axes = sorted(range(p.ndim), key=lambda axis: -p._data.strides[axis])
        data, *buffers = (a.transpose(axes) for a in (p._data, *optimizer._buffers[i].values()))
        if not all(a.flags.c_contiguous for a in (data, *buffers)):
            return None
        grad = p.device.xp.ascontiguousarray(p._grad._data.transpose(axes))
        found.append((data, grad, *buffers))
    return found
