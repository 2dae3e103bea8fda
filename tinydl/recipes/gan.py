"""GAN, DCGAN and conditional GAN: two networks play against each other until one of them draws digits."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tinydl import plot
from tinydl.autograd import no_grad
from tinydl.data import DataLoader, mnist, to_float
from tinydl.models import DCGAN, GAN, ConditionalGAN
from tinydl.optim import Adam
from tinydl.random import Generator
from tinydl.recipes.judge import Judge, entropy, sure, train_judge
from tinydl.recipes.recipe import Options, Recipe
from tinydl.recipes.training import callbacks, count, fit
from tinydl.tensor import Tensor, tensor
from tinydl.train import AdversarialTrainer, Callback, Trainer

Pixels = npt.NDArray[np.float32]
SAMPLES = 1000  # for the figures
LR, BETAS = 1e-3, (0.5, 0.999)  # DCGAN's authors found beta1 = 0.5; their rate of 2e-4 is for longer runs


@dataclass(frozen=True)
class Settings:
    """Which networks play, and whether they are told the labels."""

    build: Callable[[Generator], GAN]
    labelled: bool = False


class OverTime(Callback):
    """Keeps the images that the same noise gives before the first and after some of the epochs."""

    def __init__(self, epochs: int, *inputs: Tensor) -> None:
        self.inputs = inputs
        self.epochs = {0, epochs, *(1 << i for i in range(epochs.bit_length()))}
        self.kept: dict[int, Pixels] = {}

    def on_fit_begin(self, trainer: Trainer) -> None:
        self._keep(trainer)

    def on_epoch_end(self, trainer: Trainer, row: dict[str, float]) -> None:
        self._keep(trainer)

    def _keep(self, trainer: Trainer) -> None:
        epoch = len(trainer.history.rows)
        if epoch in self.epochs:
            self.kept[epoch] = draw(trainer.model, *self.inputs)

    def rows(self) -> dict[str, Pixels]:
        """The images by the name of their moment."""
        return {f"epoch {n}" if n else "before": images for n, images in sorted(self.kept.items())}

    def state_dict(self) -> dict[str, Any]:
        return {str(epoch): images for epoch, images in self.kept.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.kept = {int(epoch): images for epoch, images in state.items()}


class Slower(Callback):
    """Both learning rates fall in a straight line to 0 over the second half.

    Two players that answer each other circle around their balance; smaller steps circle closer to it.
    """

    def __init__(self, epochs: int, lr: float) -> None:
        self.epochs, self.lr = epochs, lr

    def on_epoch_end(self, trainer: Trainer, row: dict[str, float]) -> None:
        left = 1.0 - row["epoch"] / self.epochs
        for optimizer in trainer.optimizers().values():
            optimizer.lr = self.lr * min(1.0, 2.0 * left)


def draw(model: Any, *inputs: Tensor) -> Pixels:
    """Images from 0 to 1, as a NumPy array, that the model makes of its inputs in evaluation mode."""
    training = model.training
    model.eval()
    with no_grad():
        images = (model(*inputs) + 1.0) / 2.0
    model.train(training)
    return np.asarray(images.to("cpu").numpy())


def run(options: Options, settings: Settings) -> dict[str, Any]:
    """Trains a classifier on real digits, then the two networks, and lets the classifier say what they draw."""
    start = time.perf_counter()
    data = mnist.load()
    print(f"data: {data.source}")
    generator = Generator(options.seed)
    for_judge, for_gan = options.parts("classifier", "gan")
    judge = train_judge(for_judge, data, generator.fork())

    x = 2 * to_float(data.train.images) - 1
    arrays = (x, data.train.labels) if settings.labelled else (x,)
    model = settings.build(generator.fork()).to(options.device)
    labels = np.repeat(np.arange(10), SAMPLES // 10)
    inputs = [tensor(generator.normal((SAMPLES, model.noise.size)), device=options.device)]
    if settings.labelled:
        inputs.append(tensor(labels, device=options.device))
    every = SAMPLES // 10  # with labels, one image of each class
    over_time = OverTime(options.epochs, *(z[::every] for z in inputs))
    trainer = AdversarialTrainer(
        model,
        Adam(model.generator.parameters(), LR, betas=BETAS),
        Adam(model.discriminator.parameters(), LR, betas=BETAS),
        callbacks=callbacks(for_gan, over_time, Slower(options.epochs, LR)),
        progress=options.progress,
    )
    loader = DataLoader(
        arrays,
        options.batch_size,
        shuffle=True,
        generator=generator.fork(),
        drop_last=True,
        device=options.device,
    )
    untrained = draw(model, *inputs)
    history = fit(for_gan, trainer, loader, None)
    seconds = time.perf_counter() - start

    samples = draw(model, *inputs)
    real = to_float(data.test.images)
    metrics = measured(judge, samples, untrained, to_float(data.train.images), real)
    if settings.labelled:
        right = judge.probabilities(samples).argmax(1) == labels
        metrics |= {"recognised": float(right.mean()), "baseline_chance_recognised": 0.1}
        by_class = {f"{c}": samples[c * every : c * every + 14] for c in range(10)}
        plot.rows(by_class, options.out / "samples.png", "Asked for: one digit a row")
        print(
            f"the classifier reads {metrics['recognised']:.1%} of the samples as the digit that was asked for "
            f"({judge.test_accuracy:.1%} of real held-out digits)"
        )
    else:
        plot.images(samples[:112], columns=16, path=options.out / "samples.png", title="Samples")
    print(
        f"entropy of what the classifier sees in {SAMPLES:,} samples: {metrics['entropy']:.3f} nats "
        f"(log 10 = {math.log(10):.3f}); it is sure of {metrics['sure']:.1%} of them, of "
        f"{metrics['baseline_real_sure']:.1%} of real digits, and of {metrics['baseline_untrained_sure']:.1%} of "
        "what was drawn before training"
    )
    plot.rows(over_time.rows(), options.out / "over_time.png", "The same noise, as training goes on")
    chosen = samples[:: SAMPLES // 12][:12]
    nearest, _ = nearest_digits(chosen, to_float(data.train.images))
    plot.rows(
        {"sample": chosen, "nearest": nearest},
        options.out / "nearest.png",
        "Samples, and the training digits nearest to them",
    )
    return {
        **metrics,
        "classifier_test_accuracy": judge.test_accuracy,
        "discriminator_loss": history["discriminator_loss"][-1],
        "generator_loss": history["generator_loss"][-1],
        "parameters": count(model.generator),
        "discriminator_parameters": count(model.discriminator),
        "seconds": round(seconds, 2),
    }


def measured(
    judge: Judge, samples: Pixels, untrained: Pixels, training: Pixels, held_out: Pixels
) -> dict[str, float]:
    """What the classifier sees in samples, and how far they are from training digits, beside real digits."""
    said = judge.probabilities(samples)
    return {
        "entropy": entropy(said),
        "baseline_uniform_entropy": math.log(10),
        "baseline_real_entropy": entropy(judge.real),
        "sure": sure(said),
        "baseline_real_sure": sure(judge.real),
        "baseline_untrained_sure": sure(judge.probabilities(untrained)),
        "nearest_rmse": float(nearest_digits(samples, training)[1].mean()),
        "baseline_real_nearest_rmse": float(nearest_digits(held_out, training)[1].mean()),
    }


def nearest_digits(samples: Pixels, training: Pixels) -> tuple[Pixels, Pixels]:
    """The training digit nearest to each sample, and the root mean square difference of their pixels."""
    a, b = samples.reshape(len(samples), -1), training.reshape(len(training), -1)
    squares = (a * a).sum(1)[:, None] - 2 * a @ b.T + (b * b).sum(1)
    place = squares.argmin(1)
    return training[place], np.sqrt(((a - b[place]) ** 2).mean(1))


# Chosen by looking at samples and by what the classifier made of them; it knows training digits alone.
DENSE = Settings(lambda generator: GAN(generator=generator))
CONVOLUTIONAL = Settings(lambda generator: DCGAN(generator=generator))
CONDITIONAL = Settings(lambda generator: ConditionalGAN(generator=generator), labelled=True)


GAN_DIGITS = Recipe("gan", "a GAN of dense layers draws digits", 50, 32, lambda options: run(options, DENSE))
DCGAN_DIGITS = Recipe(
    "dcgan", "a GAN of convolutions draws digits", 20, 32, lambda options: run(options, CONVOLUTIONAL)
)
CONDITIONAL_GAN = Recipe(
    "conditional-gan",
    "a GAN draws the digit that it is asked for",
    20,
    32,
    lambda options: run(options, CONDITIONAL),
)
