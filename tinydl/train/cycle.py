"""CycleTrainer: two translators that undo each other, each against a discriminator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tinydl.losses import mae, mse
from tinydl.nn.module import Module
from tinydl.optim import Optimizer
from tinydl.tensor import Tensor
from tinydl.train.adversarial import AdversarialTrainer, descend
from tinydl.train.callbacks import Callback


class CycleTrainer(AdversarialTrainer):
    """Trains G: x -> y and F: y -> x on images of both kinds that don't belong together (Zhu et al., 2017).

    With least-squares adversarial losses (Mao et al., 2017), all means over pixels, patches and rows:

        discriminators  L_D = (D_y(y) - 1)^2 + D_y(G(x))^2 + (D_x(x) - 1)^2 + D_x(F(y))^2
        generators      L_G = (D_y(G(x)) - 1)^2 + (D_x(F(y)) - 1)^2 + cycle_weight (|F(G(x)) - x| + |G(F(y)) - y|)

    The last part, the cycle, keeps a translation from turning x into some other y that looks as real.

    `model` has the networks `g`, `f`, `d_x` and `d_y`. Batches are (x, y), floats of the shapes that these take;
    no loss compares the x with the y of a row. `optimizer` is that of g and f. The history has `discriminator_loss`,
    `generator_loss` without the cycle, and `cycle_loss`, the two absolute differences. Raises ValueError for a
    negative cycle_weight.
    """

    def __init__(
        self,
        model: Module,
        optimizer: Optimizer,
        discriminator_optimizer: Optimizer,
        cycle_weight: float = 10.0,
        callbacks: Sequence[Callback] = (),
        progress: bool = True,
    ) -> None:
        if cycle_weight < 0:
            raise ValueError(f"CycleTrainer: cycle_weight must be 0 or more, got {cycle_weight}")
        super().__init__(model, optimizer, discriminator_optimizer, callbacks=callbacks, progress=progress)
        self.loss = mse
        self.cycle_weight = cycle_weight

    def step(self, *batch: Tensor) -> dict[str, float]:
        """One step of both discriminators, then one of both generators: losses before them."""
        x, y = batch
        model: Any = self.model
        fake_y, fake_x = model.g(x), model.f(y)
        d_loss = self._told_apart(model.d_y, y, fake_y) + self._told_apart(model.d_x, x, fake_x)
        descend(self.discriminator_optimizer, d_loss)

        g_loss = self._says(model.d_y(fake_y), 1.0) + self._says(model.d_x(fake_x), 1.0)
        cycle = mae(model.f(fake_y), x) + mae(model.g(fake_x), y)
        descend(self.optimizer, g_loss + self.cycle_weight * cycle)
        return {
            "discriminator_loss": d_loss.item(),
            "generator_loss": g_loss.item(),
            "cycle_loss": cycle.item(),
        }

    def _told_apart(self, discriminator: Module, real: Tensor, fake: Tensor) -> Tensor:
        return self._says(discriminator(real), 1.0) + self._says(discriminator(fake.detach()), 0.0)
