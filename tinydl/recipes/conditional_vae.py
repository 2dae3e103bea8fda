"""A conditional VAE draws the digit that it is asked for, in the handwriting that its code says."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from tinydl import plot
from tinydl.data import mnist
from tinydl.models import ConditionalVAE
from tinydl.random import Generator
from tinydl.recipes.bernoulli import pixel_means
from tinydl.recipes.judge import train_judge
from tinydl.recipes.recipe import Options, Recipe
from tinydl.recipes.training import count
from tinydl.recipes.variational import Digits, Pixels, baselines, bound, decoded, digits, means, said, train

LATENT, BETA = 10, 4.0
ASKED = 100  # samples of each class that the classifier reads
CLASSES = np.arange(10)


def run(options: Options) -> dict[str, Any]:
    """Trains it with two prices of the code, asks a LeNet-5 what the samples show, and draws those of the higher price.

    The label saves at most log 10 = 2.3 nats: with beta = 1 the code goes on saying which digit it is, and then
    contradicts the label that a sample is asked for.
    """
    start, generator = time.perf_counter(), Generator(options.seed)
    data, seed = digits(generator.fork(), with_labels=True), generator.fork().seed
    *parts, judged = options.parts("beta-1", "beta-4", "judge")
    judge = train_judge(judged, mnist.load(), generator.fork())
    labels, codes = np.repeat(CLASSES, ASKED), generator.normal((len(CLASSES) * ASKED, LATENT))
    results, recognised = {}, {}
    for part, beta in zip(parts, (1.0, BETA), strict=True):
        model = ConditionalVAE(LATENT, generator=seed)
        train(part, model, data, Generator(seed), 3e-3, beta)
        results[beta] = bound(model, data, part)
        samples = decoded(model, codes, part, labels)
        recognised[beta] = float((judge.probabilities(samples).argmax(1) == labels).mean())
    metrics = (
        results[BETA].metrics()
        | results[1.0].metrics("baseline_beta_1_")
        | baselines(data, generator.fork())
        | {
            "baseline_class_means_nats": class_means_nats(data),
            "recognised": recognised[BETA],
            "baseline_beta_1_recognised": recognised[1.0],
            "classifier_test_accuracy": judge.test_accuracy,
            "sample_variance": variance_within(samples, labels),
            "test_digits_variance": variance_within(data.images, data.labels),
        }
    )
    draw_samples(model, options, generator.fork())
    draw_rewritten(model, data, options)
    print(
        said("conditional-vae", metrics, data) + f", of each class {metrics['baseline_class_means_nats']:.1f}"
    )
    print(
        f"LeNet-5 reads {recognised[BETA]:.1%} of {len(labels):,} samples as the digit that was asked for "
        f"({recognised[1.0]:.1%} with beta = 1; {judge.test_accuracy:.1%} of the real held-out digits); variance "
        f"within a class {metrics['sample_variance']:.1f}, of real digits {metrics['test_digits_variance']:.1f}"
    )
    return {**metrics, "parameters": count(model), "seconds": round(time.perf_counter() - start, 2)}


def class_means_nats(data: Digits) -> float:
    """-log p(x|y) of independent pixels whose means are those of the class: what the label alone gives."""
    images, labels = data.train
    of_each = [pixel_means(images[labels == c]).nats(data.images[data.labels == c]) for c in CLASSES]
    return float(np.average(of_each, weights=np.bincount(data.labels, minlength=len(CLASSES))))


def variance_within(images: Pixels, labels: Any) -> float:
    """The variance within a class, summed over pixels, mean over classes: 0 if all samples of a class are one image."""
    return float(np.mean([images[labels == c].var(axis=0).sum() for c in CLASSES]))


def draw_samples(model: ConditionalVAE, options: Options, generator: Generator) -> None:
    """A row for each class, a column for each code drawn from N(0, 1)."""
    codes = generator.normal((14, model.latent))
    drawn = {str(c): decoded(model, codes, options, np.full(len(codes), c)) for c in CLASSES}
    plot.rows(
        drawn, options.out / "samples.png", "One class a row, one code a column: the same hand down a column"
    )


def draw_rewritten(model: ConditionalVAE, data: Digits, options: Options) -> None:
    """Held-out digits, and all ten digits in their handwriting: the mean of their code, decoded with other labels."""
    rewritten: dict[str, Pixels] = {}
    for i in (np.flatnonzero(data.labels == c)[2] for c in CLASSES[::2]):
        code = means(model, options, data.images[i : i + 1], data.labels[i : i + 1])
        others = decoded(model, np.repeat(code, len(CLASSES), axis=0), options, CLASSES)
        rewritten[f"a held-out {data.labels[i]}"] = np.concatenate([data.images[i : i + 1], others])
    plot.rows(rewritten, options.out / "rewritten.png", "A held-out digit, and 0 to 9 from its code")


CONDITIONAL_VAE = Recipe("conditional-vae", "a conditional VAE draws the digit it is asked for", 40, 100, run)
