"""LeNet-5 explained: which pixels its answers depend on, what deceives it, and what it would like to see.

The network is that of `tinydl train lenet`: `tinydl train explain --resume --out runs/lenet` explains the one that is
there instead of training it again.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import numpy.typing as npt

from tinydl import explain, plot
from tinydl.autograd import no_grad
from tinydl.models import LeNet5
from tinydl.ops.activation import softmax
from tinydl.ops.shape import cat
from tinydl.random import Generator
from tinydl.recipes.classify import Result
from tinydl.recipes.lenet import images, train
from tinydl.recipes.recipe import Options, Recipe
from tinydl.tensor import Tensor, tensor

RIGHT, WRONG = 3, 2  # answers that are explained
DELETED = 300  # held-out digits for the deletion test: occlusion asks 226 times about each
SHARES = (0.0, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2)
SHARE = 0.05  # of the pixels, for the figures: 51 of 1,024
EPSILONS = (0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3)
EPSILON = 0.1  # for the figures and the pictures
Array = npt.NDArray[Any]


def explanations(model: LeNet5, digits: Tensor, classes: Tensor | Array | None = None) -> dict[str, Tensor]:
    """Five ways to say which pixels the answer depends on, by their names: what `plot.explanations` draws."""
    return {
        "saliency": explain.saliency(model, digits, classes),
        "SmoothGrad": explain.smooth_grad(model, digits, classes, generator=0),
        "integrated gradients": explain.integrated_gradients(model, digits, classes),
        "Grad-CAM of C3": explain.grad_cam(model, model.c3, digits, classes),
        "occlusion": explain.occlusion(model, digits, classes),
    }


def run(options: Options) -> dict[str, Any]:
    """Trains LeNet-5 and looks inside: five answers, the deletion test, adversarial digits, ideal images."""
    result = train(options)
    start = time.perf_counter()
    model = result.model
    assert isinstance(model, LeNet5)
    digits, labels = tensor(result.test_inputs, device=options.device), result.data.test.labels
    shares = _probabilities(model, digits)
    cases(options, model, digits, labels, shares)
    metrics = {
        **deletion_test(options, model, digits[:DELETED], labels[:DELETED]),
        **deceive(options, model, digits, labels, shares),
        **ideals(options, result),
    }
    seconds = result.metrics["seconds"] + time.perf_counter() - start
    return {**result.metrics, **metrics, "seconds": round(seconds, 2)}


def cases(options: Options, model: LeNet5, digits: Tensor, labels: Array, shares: Array) -> None:
    """Draws the first right answers of different classes, and the surest wrong ones: for the answer and the truth."""
    answers = shares.argmax(axis=1)
    rows, classes, titles = [], [], []
    for i in _first_right(answers, labels, RIGHT):
        rows.append(i)
        classes.append(answers[i])
        titles.append(
            f"a {labels[i]}, read as {answers[i]}\nfor the {answers[i]} ({shares[i, answers[i]]:.1%})"
        )
    wrong = np.flatnonzero(answers != labels)
    for i in wrong[np.argsort(-shares[wrong, answers[wrong]], kind="stable")][:WRONG]:
        for c, said in (
            (answers[i], f"a {labels[i]}, read as {answers[i]}"),
            (labels[i], f"the same {labels[i]}"),
        ):
            rows.append(i)
            classes.append(c)
            titles.append(f"{said}\nfor the {c} ({shares[i, c]:.1%})")
    chosen = digits[np.array(rows)]
    plot.explanations(
        chosen,
        explanations(model, chosen, np.array(classes)),
        titles,
        path=options.out / "explanations.png",
        title="What answers of LeNet-5 depend on: three that are right, two that are wrong",
    )


def deletion_test(options: Options, model: LeNet5, digits: Tensor, labels: Array) -> dict[str, float]:
    """Accuracy when the pixels that an explanation calls most important are painted black, and when they are inverted.

    Beside it: pixels drawn at random, and the brightest ones, which nobody has to explain.
    """
    maps = explanations(model, digits)
    random = tensor(Generator(options.seed).random((len(digits), *digits.shape[2:])))
    simple = {"random pixels": random, "the brightest pixels": digits}
    keys = {name: name.lower().replace(" of c3", "").replace("-", "_").replace(" ", "_") for name in maps}
    paints: dict[str, float | Tensor] = {"black": 0.0, "inverted": 1.0 - digits}
    metrics: dict[str, float] = {}
    for done, paint in paints.items():

        def accuracies(ranked: Tensor, paint: float | Tensor = paint) -> Array:
            answers = explain.deletion(model, digits, ranked, SHARES, paint).to("cpu").numpy()
            return np.asarray((answers == labels).mean(axis=1))

        found = {name: accuracies(ranked) for name, ranked in maps.items()}
        beside = {name: accuracies(ranked) for name, ranked in simple.items()}
        plot.lines(
            {name: 100 * row for name, row in found.items()},
            100 * np.array(SHARES),
            f"Pixels {'painted black' if done == 'black' else done}, the most important first (%)",
            f"{len(labels)} held-out digits read right (%)",
            path=options.out / f"{done}.png",
            title="The better an explanation, the sooner the answer is lost",
            baselines={name: 100 * row for name, row in beside.items()},
        )
        at = SHARES.index(SHARE)
        metrics |= {f"test_{done}_{keys[name]}": float(row[at]) for name, row in found.items()}
        metrics[f"baseline_{done}_random"] = float(beside["random pixels"][at])
        metrics[f"baseline_{done}_brightest"] = float(beside["the brightest pixels"][at])
    return metrics


def deceive(
    options: Options, model: LeNet5, digits: Tensor, labels: Array, shares: Array
) -> dict[str, float]:
    """Draws digits that FGSM changed, and accuracy against the strength, beside that of random signs."""
    signs = tensor(Generator(options.seed).normal(digits.shape), device=options.device).sign()

    def accuracy(changed: Tensor) -> float:
        return float((_probabilities(model, changed).argmax(axis=1) == labels).mean())

    fooled = [accuracy(explain.fgsm(model, digits, labels, epsilon)) for epsilon in EPSILONS]
    noisy = [accuracy((digits + epsilon * signs).clip(0.0, 1.0)) for epsilon in EPSILONS]
    plot.lines(
        {"against the network (FGSM)": 100 * np.array(fooled)},
        EPSILONS,
        "Change of each pixel (1: from black to white)",
        f"{len(labels):,} held-out digits read right (%)",
        path=options.out / "deceived_accuracy.png",
        title="A small change in the right direction",
        baselines={"in a random direction": 100 * np.array(noisy)},
    )
    rows = np.array(_first_right(shares.argmax(axis=1), labels, 5))
    before = digits[rows]
    after = explain.fgsm(model, before, labels[rows], EPSILON)
    change = (after - before) * (0.5 / EPSILON) + 0.5
    now = _probabilities(model, after)
    plot.images(
        cat([before, change, after]),
        [
            *(f"read as {shares[i].argmax()} ({shares[i].max():.1%})" for i in rows),
            *([f"change, at most {EPSILON:g}"] * len(rows)),
            *(f"read as {p.argmax()} ({p.max():.1%})" for p in now),
        ],
        columns=len(rows),
        path=options.out / "deceived.png",
        title="The fast gradient sign method: digit, change (times 5), digit with the change",
    )
    at = EPSILONS.index(EPSILON)
    return {"test_fgsm_accuracy": fooled[at], "baseline_noise_accuracy": noisy[at]}


def ideals(options: Options, result: Result) -> dict[str, float]:
    """Draws the images that excite the ten outputs most, and ten maps of C3, below the mean digit of each class."""
    model, (pixels, classes) = result.model, result.data.train
    assert isinstance(model, LeNet5)
    mean = np.stack([images(pixels[classes == c]).mean(axis=0) for c in range(10)])
    ideal = {
        name: cat([explain.maximise_activation(model, layer, c, (1, 32, 32), generator=c) for c in range(10)])
        for name, layer in (("an output", model.output), ("a map of C3", model.c3))
    }
    plot.rows(
        {"mean digit": mean, **{f"excites {name}": x for name, x in ideal.items()}},
        path=options.out / "ideals.png",
        title="What LeNet-5 would like to see",
    )
    diagonal = np.arange(10)
    sure = _probabilities(model, ideal["an output"])[diagonal, diagonal].mean()
    on_means = _probabilities(model, tensor(mean, device=options.device))[diagonal, diagonal].mean()
    return {"ideal_probability": float(sure), "baseline_mean_digit_probability": float(on_means)}


def _first_right(answers: Array, labels: Array, count: int) -> list[int]:
    """Where the first right answers of `count` different classes are."""
    right = np.flatnonzero(answers == labels)
    return sorted(right[np.unique(labels[right], return_index=True)[1]].tolist())[:count]


def _probabilities(model: LeNet5, digits: Tensor) -> Array:
    with no_grad():
        return np.asarray(softmax(model.eval()(digits)).to("cpu").numpy())


EXPLAIN = Recipe(
    "explain", "LeNet-5 explained: what its answers depend on, and what deceives it", 40, 64, run
)
