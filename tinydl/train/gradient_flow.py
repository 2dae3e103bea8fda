"""How the error flows back: the size of each parameter's gradient, and how far a step moves the parameter.

    gradient norm   |g|                          near 0 in the first layers: the gradient vanishes on its way back
    update ratio    |w_after - w_before| / |w_before|      too large: it forgets; too small: it hardly learns

Norms are Euclidean, over all elements of a parameter, in float64: squares of vanishing gradients would be 0 in float32.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from tinydl.autograd import no_grad
from tinydl.plot import gradient_flow
from tinydl.tensor import Tensor
from tinydl.train.callbacks import Callback
from tinydl.train.history import History

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from tinydl.train.trainer import Trainer


class GradientFlow(Callback):
    """Records gradient norms and update ratios, as their means over the measured steps of each epoch.

    `gradients` and `updates` are histories: they map the names of parameters (of any shape and floating dtype) to a
    value per epoch. Every `every`-th step is measured, the first of an epoch among them; training computes the same
    bits as without. A parameter that is all zeros before a step has no ratio, one without a gradient after it no norm.
    List it before the Checkpoint. Raises ValueError for an `every` below 1.
    """

    def __init__(self, every: int = 10) -> None:
        if every < 1:
            raise ValueError(f"GradientFlow: every must be 1 or more, got {every}")
        self.every = every
        self.gradients, self.updates = History(), History()
        self._begin_epoch()

    def _begin_epoch(self) -> None:
        self._steps = 0
        self._before: dict[str, Tensor] = {}
        self._norms: dict[str, list[float]] = {}
        self._ratios: dict[str, list[float]] = {}

    def on_fit_begin(self, trainer: Trainer) -> None:
        self._begin_epoch()  # an interrupted epoch is trained again

    def on_step_begin(self, trainer: Trainer) -> None:
        if self._steps % self.every == 0:
            self._before = {
                name: Tensor(p._data.copy(), p.device)
                for name, p in trainer.model.named_parameters()
                if p.requires_grad
            }

    def on_step_end(self, trainer: Trainer) -> None:
        self._steps += 1
        if not self._before:
            return
        with no_grad():
            for name, p in trainer.model.named_parameters():
                if name in self._before:
                    self._measure(name, p, self._before[name])
        self._before = {}

    def _measure(self, name: str, p: Tensor, before: Tensor) -> None:
        if p.grad is not None:
            self._norms.setdefault(name, []).append(_norm(p.grad))
        size = _norm(before)
        if size > 0:
            moved = _norm(p.detach().astype("float64") - before.astype("float64"))
            self._ratios.setdefault(name, []).append(moved / size)

    def on_epoch_end(self, trainer: Trainer, row: dict[str, float]) -> None:
        for history, measured in ((self.gradients, self._norms), (self.updates, self._ratios)):
            means = {name: sum(values) / len(values) for name, values in measured.items()}
            history.append({"epoch": row["epoch"], **means})
        self._begin_epoch()

    def state_dict(self) -> dict[str, Any]:
        return {"gradients": list(self.gradients.rows), "updates": list(self.updates.rows)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.gradients, self.updates = History(state["gradients"]), History(state["updates"])
        self._begin_epoch()

    def plot(self, path: str | os.PathLike[str] | None = None, title: str | None = None) -> Figure:
        """Draws both for the weights, as `plot.gradient_flow` does; saved as PNG when `path` is given.

        Biases are left out: where they are near zero, their ratio says little. Raises ValueError before the first
        epoch.
        """
        gradients, updates = (
            {name: values for name, values in history.items() if not name.endswith("bias")}
            for history in (self.gradients, self.updates)
        )
        return gradient_flow(gradients, updates, path, title)


def _norm(x: Tensor) -> float:
    wide = x.detach().astype("float64")
    return (wide * wide).sum().sqrt().item()
