"""AdversarialTrainer: two networks trained against each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tinydl.autograd import grad
from tinydl.creation import full
from tinydl.data.loader import DataLoader
from tinydl.losses import binary_cross_entropy_with_logits
from tinydl.nn.module import Module
from tinydl.ops.activation import sigmoid
from tinydl.optim import Optimizer
from tinydl.tensor import Tensor
from tinydl.train.callbacks import Callback
from tinydl.train.trainer import Trainer


class AdversarialTrainer(Trainer):
    """Trains a generator G against a discriminator D (Goodfellow et al., 2014).

    A step with real rows x, noise z and D's logits, whose sigmoid is the probability that a row is real:

        discriminator   L_D = BCE(D(x), 1 - s) + BCE(D(G(z)), 0)      with G(z) held fixed
        generator       L_G = BCE(D(G(z)), 1) = -log sigmoid(D(G(z)))  with D held fixed

    L_G is the paper's non-saturating loss: its slope is steep where D is sure, while that of log(1 - sigmoid(D))
    vanishes there. `smoothing` s keeps D from growing ever surer of real rows (Salimans et al., 2016).

    `model` has the networks `generator` and `discriminator`, and `noise(count, device)` draws z. Batches are (x,)
    with x of the shape and dtype that G gives, or (x, c, ...) with conditions that both networks get as further
    inputs. The history has `discriminator_loss`, `generator_loss`, and the mean probabilities of being real that D
    gave to real and to generated rows, `real_score` and `fake_score`. `optimizer` is the generator's. There is no
    validation loss: neither loss says how good the samples are. Raises ValueError for smoothing outside [0, 1).
    """

    def __init__(
        self,
        model: Module,
        optimizer: Optimizer,
        discriminator_optimizer: Optimizer,
        smoothing: float = 0.0,
        callbacks: Sequence[Callback] = (),
        progress: bool = True,
    ) -> None:
        if not 0.0 <= smoothing < 1.0:
            raise ValueError(f"AdversarialTrainer: smoothing must be in [0, 1), got {smoothing}")
        loss = binary_cross_entropy_with_logits
        super().__init__(model, loss, optimizer, callbacks=callbacks, progress=progress)
        self.discriminator_optimizer = discriminator_optimizer
        self.smoothing = smoothing

    def optimizers(self) -> dict[str, Optimizer]:
        return {"optimizer": self.optimizer, "discriminator_optimizer": self.discriminator_optimizer}

    def step(self, *batch: Tensor) -> dict[str, float]:
        """One step of the discriminator, then one of the generator: losses and scores before them."""
        x, *condition = batch
        model: Any = self.model
        fake = model.generator(model.noise(len(x), x.device), *condition)

        on_real = model.discriminator(x, *condition)
        on_fake = model.discriminator(fake.detach(), *condition)
        d_loss = self._says(on_real, 1.0 - self.smoothing) + self._says(on_fake, 0.0)
        descend(self.discriminator_optimizer, d_loss)

        g_loss = self._says(model.discriminator(fake, *condition), 1.0)
        descend(self.optimizer, g_loss)
        return {
            "discriminator_loss": d_loss.item(),
            "generator_loss": g_loss.item(),
            "real_score": sigmoid(on_real).mean().item(),
            "fake_score": sigmoid(on_fake).mean().item(),
        }

    def evaluate(self, data: DataLoader) -> dict[str, float]:
        """Raises TypeError: no loss of a game between two networks tells how good the samples are."""
        raise TypeError(
            f"{type(self).__name__}: there is nothing to evaluate; leave the validation data out and look at samples"
        )

    def _says(self, score: Tensor, target: float) -> Tensor:
        return self.loss(score, full(score.shape, target, dtype=score.dtype, device=score.device))


def descend(optimizer: Optimizer, loss: Tensor) -> None:
    """One step of the optimiser along the gradients of its own parameters; no others are computed or left behind.

    Raises: RuntimeError for a loss of several elements, or one that does not depend on the parameters.
    """
    for parameter, gradient in zip(optimizer.params, grad(loss, optimizer.params), strict=True):
        parameter.grad = gradient
    optimizer.step()
    optimizer.zero_grad()
