"""What every explanation begins with: the score of a class, and its derivative with respect to the image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from tinydl.autograd import grad, no_grad
from tinydl.errors import DTypeError, ShapeError
from tinydl.nn import Module
from tinydl.ops.index import take_along_axis
from tinydl.tensor import Tensor, tensor

Classes: TypeAlias = "Tensor | npt.ArrayLike | Sequence[int] | None"


@contextmanager
def evaluating(model: Module) -> Iterator[None]:
    """Evaluation mode inside, and afterwards the mode that every module was in."""
    before = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, training in before.items():
            module.training = training


def checked(who: str, images: Tensor) -> Tensor:
    """The images, if they are floating and (N, C, H, W)."""
    if not isinstance(images, Tensor) or images.dtype.kind != "f":
        kind = images.dtype if isinstance(images, Tensor) else type(images).__name__
        raise DTypeError(who, f"expected images as a floating tensor, got {kind}")
    if images.ndim != 4 or images.size == 0:
        raise ShapeError(who, f"expected images (N, C, H, W), at least one, got shape {images.shape}")
    return images.detach()


def chosen_classes(who: str, model: Module, images: Tensor, classes: Classes) -> Tensor:
    """The classes that are explained, int64 (N, 1): those asked for, or the model's own answers."""
    with no_grad():
        scores = model(images)
    if scores.ndim != 2 or len(scores) != len(images):
        raise ShapeError(who, f"expected scores ({len(images)}, classes) of the model, got {scores.shape}")
    if classes is None:
        return scores.argmax(axis=1).reshape(-1, 1)
    labels = classes.to("cpu").numpy() if isinstance(classes, Tensor) else np.asarray(classes)
    if labels.dtype.kind not in "iu" or labels.shape != (len(images),):
        raise ShapeError(who, f"expected {len(images)} integer classes, got {labels.dtype} {labels.shape}")
    if labels.size and not 0 <= labels.min() <= labels.max() < scores.shape[1]:
        raise ValueError(f"{who}: classes must be in [0, {scores.shape[1]}), got {labels.tolist()}")
    return tensor(labels.astype(np.int64)[:, None], device=images.device)


def score(model: Module, images: Tensor, labels: Tensor) -> Tensor:
    """The score of each image's class: (N,)."""
    return take_along_axis(model(images), labels, axis=1).reshape(-1)


def score_gradient(model: Module, images: Tensor, labels: Tensor) -> Tensor:
    """d score / d image: (N, C, H, W). The sum of all scores will do, as none depends on another image."""
    x = images.detach()
    x.requires_grad = True
    (g,) = grad(score(model, x, labels).sum(), x)
    assert g is not None  # otherwise it had raised
    return g
