"""Learning-rate schedules: they set `optimizer.lr` as PyTorch's schedulers of the same names do.

Rates are Python floats, whatever the dtype of the parameters.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from tinydl.capture import refuse
from tinydl.optim.optimizer import Optimizer


class Schedule:
    """A rule for the learning rate, by the number of steps so far.

    `every` says when the Trainer calls `step()`: after each "batch" or each "epoch". A subclass writes `rate()`;
    the base's raises NotImplementedError.
    """

    every = "epoch"
    saved: tuple[str, ...] = ("base_lr", "count")

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer = optimizer
        self.base_lr = optimizer.lr
        self.count = 0

    def rate(self) -> float:
        """The learning rate after `count` steps, a float. The base raises NotImplementedError."""
        raise NotImplementedError

    def step(self) -> None:
        """Goes one step on and sets `optimizer.lr`; raises what `rate()` raises, RuntimeError in a captured step."""
        refuse(f"{type(self).__name__}.step()")
        self.count += 1
        self.optimizer.lr = self.rate()

    def state_dict(self) -> dict[str, Any]:
        """The numbers to go on from, by name. Never raises."""
        return {name: getattr(self, name) for name in self.saved}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on from a `state_dict()` of the same kind; raises ValueError for another."""
        if set(state) != set(self.saved):
            raise ValueError(
                f"{type(self).__name__}.load_state_dict: expected {self.saved}, got {tuple(state)}"
            )
        for name, value in state.items():
            setattr(self, name, value)


class StepLR(Schedule):
    """lr = base gamma^floor(epoch / step_size). Raises ValueError for a step_size below 1."""

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1) -> None:
        if step_size < 1:
            raise ValueError(f"StepLR: step_size must be 1 or more, got {step_size}")
        super().__init__(optimizer)
        self.step_size, self.gamma = step_size, gamma

    def rate(self) -> float:
        return self.base_lr * self.gamma ** (self.count // self.step_size)


class CosineAnnealingLR(Schedule):
    """lr = eta_min + (base - eta_min) (1 + cos(pi epoch / T_max)) / 2 (Loshchilov and Hutter, 2017).

    Raises: ValueError for a T_max below 1.
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0) -> None:
        if T_max < 1:
            raise ValueError(f"CosineAnnealingLR: T_max must be 1 or more, got {T_max}")
        super().__init__(optimizer)
        self.T_max, self.eta_min = T_max, eta_min

    def rate(self) -> float:
        wave = (1.0 + math.cos(math.pi * self.count / self.T_max)) / 2.0
        return self.eta_min + (self.base_lr - self.eta_min) * wave


class OneCycleLR(Schedule):
    """Up from max_lr / div_factor to max_lr, then down to a tiny rate, along cosines (Smith and Topin, 2018).

    The first `pct_start` of `total_steps` batches goes up; the last rate is max_lr / div_factor /
    final_div_factor. Raises ValueError for no steps, a `pct_start` outside [0, 1], and a step beyond the last.
    """

    every = "batch"

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float,
        total_steps: int,
        pct_start: float = 0.3,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
    ) -> None:
        if total_steps < 1 or not 0 <= pct_start <= 1:
            raise ValueError(
                f"OneCycleLR: expected total_steps >= 1 and 0 <= pct_start <= 1, got {total_steps}, {pct_start}"
            )
        super().__init__(optimizer)
        self.max_lr, self.total_steps, self.pct_start = max_lr, total_steps, pct_start
        self.first = max_lr / div_factor
        self.last = self.first / final_div_factor
        optimizer.lr = self.rate()

    def rate(self) -> float:
        if self.count >= self.total_steps + 1:
            raise ValueError(f"OneCycleLR: step {self.count} is beyond total_steps={self.total_steps}")
        top = self.pct_start * self.total_steps - 1
        end = self.total_steps - 1
        count = min(self.count, end)  # the step after the last batch changes nothing
        if count <= top:
            return _cosine(self.first, self.max_lr, count / top if top else 1.0)
        return _cosine(self.max_lr, self.last, (count - top) / (end - top))


class ReduceLROnPlateau(Schedule):
    """lr times `factor` when the watched value has not become smaller for more than `patience` epochs.

    Smaller means below the best by the relative `threshold`. A change of the rate by `eps` or less is not made.
    Raises ValueError for a factor outside (0, 1) and a negative patience.
    """

    saved = ("base_lr", "count", "best", "waited")

    def __init__(
        self,
        optimizer: Optimizer,
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        min_lr: float = 0.0,
        eps: float = 1e-8,
    ) -> None:
        if not 0 < factor < 1 or patience < 0:
            raise ValueError(
                f"ReduceLROnPlateau: expected 0 < factor < 1 and patience >= 0, got {factor}, {patience}"
            )
        super().__init__(optimizer)
        self.factor, self.patience, self.threshold = factor, patience, threshold
        self.min_lr, self.eps = min_lr, eps
        self.best = math.inf
        self.waited = 0

    def step(self, value: float | None = None) -> None:
        """Goes one epoch on, with the value of this epoch, a number; raises TypeError without one."""
        if value is None:
            raise TypeError("ReduceLROnPlateau.step: expected the value that is watched")
        refuse("ReduceLROnPlateau.step()")
        self.count += 1
        if value < self.best * (1.0 - self.threshold):
            self.best, self.waited = value, 0
        else:
            self.waited += 1
        if self.waited > self.patience:
            lower = max(self.optimizer.lr * self.factor, self.min_lr)
            if self.optimizer.lr - lower > self.eps:
                self.optimizer.lr = lower
            self.waited = 0


def _cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1.0 + math.cos(math.pi * share)) / 2.0
