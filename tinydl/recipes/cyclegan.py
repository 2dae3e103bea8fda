"""CycleGAN: white digits on black become digits in ink on paper and come back, learned without a single pair."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import numpy.typing as npt

from tinydl import plot
from tinydl.data import DataLoader, mnist, to_float
from tinydl.models import CycleGAN
from tinydl.nn import Module
from tinydl.optim import Adam
from tinydl.random import Generator
from tinydl.recipes.gan import BETAS, LR, Slower, draw
from tinydl.recipes.judge import train_judge
from tinydl.recipes.recipe import Options, Recipe
from tinydl.recipes.training import callbacks, count, fit
from tinydl.tensor import tensor
from tinydl.train import CycleTrainer

Pixels = npt.NDArray[np.float32]
INK, PAPER = (0.10, 0.20, 0.55), (0.97, 0.93, 0.80)  # red, green, blue


def on_paper(digits: Pixels) -> Pixels:
    """Digits (N, 1, 28, 28), white on black, as ink on paper (N, 3, 28, 28); values from 0 to 1."""
    ink, paper = (np.array(colour, np.float32)[:, None, None] for colour in (INK, PAPER))
    return paper + (ink - paper) * digits


def run(options: Options) -> dict[str, Any]:
    """Trains on one half of the training digits and on the other half as ink on paper: no digit is in both.

    Since the rule that made the paper digits is known here, though not to the networks, held-out digits show how far
    a translation is from the true one.
    """
    start = time.perf_counter()
    data = mnist.load()
    print(f"data: {data.source}")
    generator = Generator(options.seed)
    for_judge, for_gan = options.parts("classifier", "cyclegan")
    judge = train_judge(for_judge, data, generator.fork())

    digits = to_float(data.train.images)[generator.permutation(len(data.train.images))]
    half = len(digits) // 2
    x, y = digits[:half], on_paper(digits[half : 2 * half])
    model = CycleGAN(generator=generator.fork()).to(options.device)
    trainer = CycleTrainer(
        model,
        Adam([*model.g.parameters(), *model.f.parameters()], LR, betas=BETAS),
        Adam([*model.d_x.parameters(), *model.d_y.parameters()], LR, betas=BETAS),
        callbacks=callbacks(for_gan, Slower(options.epochs, LR)),
        progress=options.progress,
    )
    loader = DataLoader(
        (2 * x - 1, 2 * y - 1),
        options.batch_size,
        shuffle=True,
        generator=generator.fork(),
        drop_last=True,
        device=options.device,
    )
    history = fit(for_gan, trainer, loader, None)
    seconds = time.perf_counter() - start

    x_test = to_float(data.test.images)
    y_test = on_paper(x_test)
    g_x, f_y = (translated(m, a, options.device) for m, a in ((model.g, x_test), (model.f, y_test)))
    f_g_x, g_f_y = (translated(m, a, options.device) for m, a in ((model.f, g_x), (model.g, f_y)))
    unchanged = y_test.mean(1, keepdims=True)  # ink on paper, merely grey
    labels = data.test.labels
    metrics = {
        "g_error": error(g_x, y_test),
        "baseline_identity_g_error": error(np.repeat(x_test, 3, axis=1), y_test),
        "f_error": error(f_y, x_test),
        "baseline_identity_f_error": error(unchanged, x_test),
        "cycle_x_error": error(f_g_x, x_test),
        "baseline_mean_image_x_error": error(x.mean(0), x_test),
        "cycle_y_error": error(g_f_y, y_test),
        "baseline_mean_image_y_error": error(y.mean(0), y_test),
        "recognised": float((judge.probabilities(f_y).argmax(1) == labels).mean()),
        "baseline_real_recognised": judge.test_accuracy,
        "baseline_identity_recognised": float((judge.probabilities(unchanged).argmax(1) == labels).mean()),
    }
    print(
        f"mean absolute error on held-out digits: digit to ink {metrics['g_error']:.3f} "
        f"(unchanged {metrics['baseline_identity_g_error']:.3f}), back and forth {metrics['cycle_x_error']:.3f} "
        f"(the mean digit {metrics['baseline_mean_image_x_error']:.3f})"
    )
    print(
        f"a classifier of white digits reads {metrics['recognised']:.1%} of the ink digits once they are "
        f"translated, {metrics['baseline_identity_recognised']:.1%} before, and "
        f"{metrics['baseline_real_recognised']:.1%} of the originals"
    )
    first = [int(np.flatnonzero(labels == c)[0]) for c in range(10)]
    there = {"x": x_test, "G(x)": g_x, "F(G(x))": f_g_x}
    back = {"y": y_test, "F(y)": f_y, "G(F(y))": g_f_y}
    for name, images, title in (
        ("to_ink.png", there, "From white digits to ink on paper, and back"),
        ("from_ink.png", back, "From ink on paper to white digits, and back"),
    ):
        plot.rows({what: a[first] for what, a in images.items()}, options.out / name, title)
    return {
        **metrics,
        "cycle_loss": history["cycle_loss"][-1],
        "parameters": count(model.g) + count(model.f),
        "discriminator_parameters": count(model.d_x) + count(model.d_y),
        "seconds": round(seconds, 2),
    }


def translated(model: Module, images: Pixels, device: str) -> Pixels:
    """What a translator makes of images from 0 to 1."""
    return draw(model, tensor(2 * images - 1, device=device))


def error(images: Pixels, truth: Pixels) -> float:
    """The mean absolute difference of pixels from 0 to 1."""
    return float(np.abs(images - truth).mean())


CYCLEGAN = Recipe("cyclegan", "digits to ink on paper and back, without pairs", 10, 16, run)
