"""Anomaly detection: an autoencoder that knows only what is normal rebuilds the rest badly."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import numpy.typing as npt

from tinydl import nn, plot
from tinydl.data import breast_cancer, principal_components
from tinydl.data.loader import DataLoader
from tinydl.losses import mse
from tinydl.metrics import roc_auc
from tinydl.models import Autoencoder
from tinydl.optim import Adam
from tinydl.random import Generator
from tinydl.recipes.recipe import Options, Recipe
from tinydl.recipes.training import callbacks, count, fit
from tinydl.tensor import tensor
from tinydl.train import Trainer

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.float32]

NORMAL, HELD = 250, 50  # benign rows to learn from; how many of these are kept for the threshold
FALSE_ALARMS = 0.05  # wanted
COMPONENTS = 4
RATE = 3e-3
NOISE = 1.0  # as large as the deviation of the features; chosen on the divisions of seeds 10, 11 and 12


def threshold(scores: npt.ArrayLike, false_alarms: float = FALSE_ALARMS) -> float:
    """The value that a normal row exceeds with at most this probability, from scores (N,) of normal rows alone.

    It is the k-th smallest of the N with k = ceil((N + 1) (1 - false_alarms)), which holds for every distribution if
    the network was not trained on these rows (Vovk's conformal prediction, 2005). Raises ValueError for too few rows.
    """
    values = np.sort(np.asarray(scores, np.float64))
    k = int(np.ceil((len(values) + 1) * (1 - false_alarms) - 1e-9))
    if k > len(values):
        raise ValueError(
            f"threshold: {len(values)} rows can't promise {false_alarms:.1%} false alarms; expected "
            f"{int(np.ceil(1 / false_alarms - 1e-9)) - 1} or more"
        )
    return float(values[k - 1])


def alarms(name: str, scores: Floats, strange: npt.NDArray[np.int64], limit: float) -> dict[str, float]:
    """AUC, and the rates of true and false alarms above the limit; `strange` is 1 where an alarm is right."""
    raised = scores > limit
    return {
        f"{name}_auc": roc_auc(tensor(scores), tensor(strange)),
        f"{name}_true_positive_rate": float(raised[strange == 1].mean()),
        f"{name}_false_positive_rate": float(raised[strange == 0].mean()),
    }


def true_alarms(scores: Floats, strange: npt.NDArray[np.int64]) -> float:
    """The rate of true alarms where the false ones are as many as wanted: a point of the ROC curve."""
    return float((scores[strange == 1] > np.quantile(scores[strange == 0], 1 - FALSE_ALARMS)).mean())


def run(options: Options) -> dict[str, Any]:
    """Trains on 200 benign rows and sounds an alarm where the error is larger than on 50 others."""
    start = time.perf_counter()
    table = breast_cancer.load()
    generator = Generator(options.seed)
    benign, malignant = table.x[table.y == 1], table.x[table.y == 0]
    benign = benign[generator.permutation(len(benign))]
    normal, test = benign[:NORMAL], np.concatenate([benign[NORMAL:], malignant])
    strange = np.repeat([0, 1], [len(benign) - NORMAL, len(malignant)])
    print(f"data: {table.source}; {NORMAL} benign rows to learn from, no malignant one")

    # No early stopping: the held rows take no part in training, so their errors are those of any new normal row.
    train, held, new = (standardised(x, normal[HELD:]) for x in (normal[HELD:], normal[:HELD], test))
    model = Autoencoder((train.shape[1], 64, 16), nn.Tanh, output=None, generator=generator.fork())
    trainer = Trainer(
        model.to(options.device),
        mse,
        Adam(model.parameters(), lr=RATE),
        callbacks=callbacks(options, every=25),
        progress=options.progress,
    )
    loader = DataLoader(
        (train, train),
        options.batch_size,
        shuffle=True,
        generator=generator.fork(),
        transform=with_noise,  # or so many weights would learn so few rows by heart
        device=options.device,
    )
    fit(options, trainer, loader, DataLoader((held, held), 100, device=options.device))

    def errors(rows: Rows) -> Floats:
        rebuilt = trainer.predict(tensor(rows, device=options.device)).to("cpu").numpy()
        return np.square(rows - rebuilt, dtype=np.float64)

    usual = errors(train).mean(axis=0)  # a feature's error counts in units of what is usual for it
    scores, limit = (errors(new) / usual).mean(axis=1), threshold((errors(held) / usual).mean(axis=1))
    ways = {"autoencoder": scores, **closed(normal, test)}
    metrics: dict[str, Any] = alarms("test", scores, strange, limit)
    keys = ("test", "baseline_linear", "baseline_weighted", "baseline_mahalanobis", "baseline_distance")
    for key, values in zip(keys, ways.values(), strict=True):
        metrics[f"{key}_auc"] = roc_auc(tensor(values), tensor(strange))
        metrics[f"{key}_true_positive_rate_at_5_percent"] = true_alarms(values, strange)
    plot.roc(
        {name: (values, strange) for name, values in ways.items()},
        {"autoencoder": limit},
        options.out / "roc.png",
        "Malignant or not, learned from benign rows alone",
    )
    print(
        f"anomaly: AUC {metrics['test_auc']:.3f}, linear autoencoder {metrics['baseline_linear_auc']:.3f}, plain "
        f"distance from the mean {metrics['baseline_distance_auc']:.3f}; at the threshold from normal rows alone "
        f"{metrics['test_true_positive_rate']:.0%} of the malignant and {metrics['test_false_positive_rate']:.0%} of "
        "the benign rows raise an alarm"
    )
    return {
        **metrics,
        "parameters": count(model),
        "seconds": round(time.perf_counter() - start, 2),
    }


def with_noise(rows: Rows, generator: Generator) -> Rows:
    """Rows (N, F) that the network must clean: what is normal is learned from what is left of it."""
    noise: Rows = generator.normal(rows.shape)
    return rows + np.float32(NOISE) * noise


def standardised(rows: Rows, normal: Rows) -> Rows:
    """The rows, so that every feature of the normal ones has mean 0 and deviation 1."""
    scaled: Rows = (rows - normal.mean(axis=0)) / normal.std(axis=0)
    return scaled


def closed(normal: Rows, test: Rows) -> dict[str, Floats]:
    """Scores of the test rows by four formulas that need no training, from all normal rows.

    The error of the linear autoencoder, PCA with 4 components; the same with every feature in units of its usual
    error; the squared distance from the mean, measured by the covariance (Mahalanobis, 1936), or plainly.
    """
    known, new = standardised(normal, normal), standardised(test, normal)
    pca, whole = principal_components(known, COMPONENTS), principal_components(known, known.shape[1])
    usual, error = (np.square(x - pca.decode(pca.encode(x)), dtype=np.float64) for x in (known, new))
    return {
        "linear autoencoder": error.mean(axis=1),
        "linear, features weighted": (error / usual.mean(axis=0)).mean(axis=1),
        "Mahalanobis distance": np.square(whole.encode(new) / whole.encode(known).std(axis=0)).mean(axis=1),
        "distance from the mean": np.square(new, dtype=np.float64).mean(axis=1),
    }


ANOMALY = Recipe("anomaly", "malignant tumours found by a network that saw benign ones only", 150, 32, run)
