"""What all optimisers share: the parameters, their buffers, and saving both."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, ClassVar

import numpy as np

from tinydl.capture import current
from tinydl.device import Array, Device
from tinydl.optim.on_device import step_on_device
from tinydl.tensor import Tensor


class Optimizer:
    """Changes parameters along their gradients, one `step()` at a time.

    A subclass names its buffers, arrays of the shape of each parameter that start as zeros, and writes
    `update(data, grad, step, **buffers)`, which changes `data` and the buffers in place: plain arrays of one
    shape, in the parameter's dtype. `lr` is the learning rate; it may be set between steps. `steps` counts the calls
    of `step()`; `taken` counts, for each parameter, those at which it had a gradient.

    What `update` computes from `lr` and the step number belongs into `rates(step)`, and `update` begins with
    `self.numbers(step)`: then `td.compile` can repeat it.

    Raises: ValueError for no parameters, one listed twice, or a negative lr or weight_decay; TypeError for what
    is not a leaf tensor that requires gradients.
    """

    buffer_names: ClassVar[tuple[str, ...]] = ()
    hyperparameters: ClassVar[tuple[str, ...]] = ("lr", "weight_decay")
    elementwise: ClassVar[bool] = False  # true: each element by itself, so `update` may get them in blocks
    has_rates: ClassVar[bool] = False  # all that changes from step to step is in `rates`
    kernel: ClassVar[str | None] = None  # of a device that has one for this rule: see on_device.py

    def __init_subclass__(cls) -> None:
        if "update" in cls.__dict__ and "elementwise" not in cls.__dict__:
            cls.elementwise = False  # a rule of its own may need whole arrays, whatever it derives from
        if "update" in cls.__dict__:
            cls.has_rates = "rates" in cls.__dict__
            cls.kernel = cls.__dict__.get("kernel")

    def __init__(self, params: Iterable[Tensor], lr: float, weight_decay: float = 0.0) -> None:
        self.params = [params] if isinstance(params, Tensor) else list(params)
        who = type(self).__name__
        if not self.params:
            raise ValueError(f"{who}: there are no parameters to optimise")
        for p in self.params:
            if not isinstance(p, Tensor) or not p.is_leaf or not p.requires_grad:
                raise TypeError(
                    f"{who}: expected leaf tensors that require gradients, got {type(p).__name__}"
                )
        if len({id(p) for p in self.params}) < len(self.params):
            raise ValueError(f"{who}: a parameter is listed twice")
        if lr < 0 or weight_decay < 0:
            raise ValueError(f"{who}: lr and weight_decay must be 0 or more, got {lr} and {weight_decay}")
        self.lr = lr
        self.weight_decay = weight_decay
        self.steps = 0
        self.taken = [0] * len(self.params)
        self._made_for = [(p.shape, p.dtype, p.device) for p in self.params]
        self._buffers: list[dict[str, Array]] = [
            {name: p.device.xp.zeros_like(p._data) for name in self.buffer_names} for p in self.params
        ]

    def update(self, data: Array, grad: Array, step: int, **buffers: Array) -> None:
        """One step for one parameter, its step number `step` (from 1), in place: arrays of one shape and dtype.

        The base raises NotImplementedError.
        """
        raise NotImplementedError

    def rates(self, step: int) -> tuple[float, ...]:
        """The numbers of step `step` (from 1) that change from step to step: here the learning rate."""
        return (self.lr,)

    def numbers(self, step: Any) -> Any:
        """What `rates(step)` gives; in a captured step the same numbers where the device reads them anew each time."""
        return self.rates(step) if isinstance(step, int) else step

    def step(self) -> None:
        """Updates every parameter that has a gradient.

        Raises: RuntimeError when a parameter changed its shape, dtype or device since the optimiser was made.
        """
        for p, made_for in zip(self.params, self._made_for, strict=True):
            if (p._data.shape, p._data.dtype, p.device) != made_for:
                raise RuntimeError(
                    f"{type(self).__name__}: a parameter of {made_for[0]}, {made_for[1]} on {made_for[2]} is now "
                    f"{p.shape}, {p.dtype} on {p.device}; make the optimiser after .astype() and .to()"
                )
        moving = [i for i, p in enumerate(self.params) if p._grad is not None]
        if current() is not None or (moving and self.has_kernel(self.params[moving[0]].device)):
            step_on_device(self, moving)
            return
        self.steps += 1
        for i in moving:
            self.taken[i] += 1
        self.apply([(i, self.taken[i]) for i in moving])

    def has_kernel(self, device: Device) -> bool:
        """Whether a device has a kernel for this rule: one launch for each parameter."""
        return self.kernel is not None and hasattr(device.kernels, self.kernel)

    def launch(
        self, device: Device, lr: Array, step: Array, data: Array, grad: Array, *buffers: Array
    ) -> None:
        """Runs the device's kernel for one parameter: `lr` is float64 (1,), `step` int64 (1,), on the device.

        The base raises NotImplementedError.
        """
        raise NotImplementedError

    def apply(self, steps: Iterable[tuple[int, Any]]) -> None:
        """Updates parameters, each given as its place in `params` and the number of its step (from 1).

        In a captured step the numbers that `rates` gives for it stand for the number of the step.
        """
        jobs: dict[Device, list[tuple[Any, list[Array]]]] = {}
        for i, step in steps:
            p = self.params[i]
            assert p._grad is not None
            p.touch()
            arrays = [p._data, p._grad._data, *self._buffers[i].values()]
            jobs.setdefault(p.device, []).append((step, arrays))
        for device, taken in jobs.items():
            compiled = self.kernel is not None and hasattr(device.kernels, f"{self.kernel}_update")
            updates: list[tuple[Callable[..., None], list[Array]]] = []
            for step, arrays in taken:
                plain = partial(self._update, step)
                updates.append((self.compiled(device, plain, step) if compiled else plain, arrays))
            if self.elementwise:
                device.kernels.updates(device.xp, updates)
            else:
                for update, arrays in updates:
                    update(*arrays)

    def compiled(self, device: Device, plain: Callable[..., None], step: int) -> Callable[..., None]:
        """The compiled update(data, grad, *buffers) for a step, which is `plain` for arrays that it does not cover.

        The base raises NotImplementedError.
        """
        raise NotImplementedError

    def _update(self, step: Any, data: Array, grad: Array, *buffers: Array) -> None:
        self.update(data, grad, step, **dict(zip(self.buffer_names, buffers, strict=True)))

    def zero_grad(self) -> None:
        """Forgets the gradients of all parameters: each `grad` is None then. Never raises."""
        for p in self.params:
            p._grad = None

    def state_dict(self) -> dict[str, Any]:
        """Everything to go on from: step counts, hyperparameters, and copies of the buffers as NumPy arrays.

        These have the shape and dtype of their parameter, under "0.velocity" and the like. Never raises.
        """
        return {
            "steps": self.steps,
            "taken": list(self.taken),
            "hyperparameters": {name: getattr(self, name) for name in self.hyperparameters},
            "buffers": {
                f"{i}.{name}": np.array(device.to_host(array))
                for i, ((_, _, device), buffers) in enumerate(zip(self._made_for, self._buffers, strict=True))
                for name, array in buffers.items()
            },
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on from a `state_dict()` of the same kind of optimiser over parameters of the same shapes.

        Raises: ValueError for a state that does not fit; nothing is changed then.
        """
        own = self.state_dict()
        who = type(self).__name__
        if set(state) != set(own) or set(state["hyperparameters"]) != set(own["hyperparameters"]):
            raise ValueError(f"{who}.load_state_dict: this is the state of another kind of optimiser")
        shapes = {name: a.shape for name, a in own["buffers"].items()}
        there = {name: np.shape(a) for name, a in state["buffers"].items()}
        if there != shapes or len(state["taken"]) != len(self.params):
            raise ValueError(f"{who}.load_state_dict: the buffers are those of other parameters")
        self.steps = int(state["steps"])
        self.taken = [int(n) for n in state["taken"]]
        for name, value in state["hyperparameters"].items():
            setattr(self, name, value)
        for i, ((_, _, device), buffers) in enumerate(zip(self._made_for, self._buffers, strict=True)):
            for name, array in buffers.items():
                array[...] = device.asarray(np.asarray(state["buffers"][f"{i}.{name}"]))
