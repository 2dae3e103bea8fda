"""FGSM: every pixel moves by epsilon, and the loss grows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl import explain


def test_every_pixel_moves_by_epsilon_against_the_class(model: Any, images: Any) -> None:
    images = images * 0.5 + 0.25  # away from the borders
    labels = td.tensor([0, 1, 2])
    fooled = explain.fgsm(model, images, labels, epsilon=0.01)
    moved = fooled.numpy() - images.numpy()
    np.testing.assert_allclose(np.abs(moved[moved != 0]), 0.01, rtol=1e-9)
    x = images.detach()
    x.requires_grad = True
    td.losses.cross_entropy(model.eval()(x), labels).backward()
    assert x.grad is not None
    np.testing.assert_array_equal(np.sign(moved), np.sign(x.grad.numpy()))
    with td.no_grad():
        before, after = (
            td.losses.cross_entropy(model(z), labels, reduction="none").numpy() for z in (images, fooled)
        )
    assert (after > before).all()


def test_pixels_stay_in_range(model: Any, images: Any) -> None:
    out = explain.fgsm(model, images, epsilon=0.9).numpy()
    assert (out.min(), out.max()) == (0.0, 1.0)
    np.testing.assert_array_equal(explain.fgsm(model, images, epsilon=0.0).numpy(), images.numpy())


def test_bad_options(model: Any, images: Any) -> None:
    with pytest.raises(ValueError, match="epsilon must be 0 or more, got -1"):
        explain.fgsm(model, images, epsilon=-1)
    with pytest.raises(ValueError, match=r"expected images in \[0, 1\], got"):
        explain.fgsm(model, images * 3.0)
