"""What all explanations share: the model is left as it was, and what can't be explained is said."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl import explain

EXPLANATIONS = {
    "saliency": explain.saliency,
    "smooth_grad": lambda m, x, c=None: explain.smooth_grad(m, x, c, samples=2, generator=0),
    "integrated_gradients": lambda m, x, c=None: explain.integrated_gradients(m, x, c, steps=2),
    "grad_cam": lambda m, x, c=None: explain.grad_cam(m, m.conv, x, c),
    "occlusion": lambda m, x, c=None: explain.occlusion(m, x, c),
    "fgsm": explain.fgsm,
}
BESIDE = {"deletion", "feature_maps", "filters", "maximise_activation"}  # with tests of their own
every = pytest.mark.parametrize("name", EXPLANATIONS)


def test_all_that_is_promised_is_here() -> None:
    assert set(explain.__all__) == set(EXPLANATIONS) | BESIDE
    assert (explain.filters, explain.feature_maps) == (td.plot.filters, td.plot.feature_maps)


@every
def test_the_model_and_the_images_are_left_as_they_were(name: str, model: Any, images: Any) -> None:
    model.drop.eval()  # one part in another mode than the rest
    images.requires_grad = True
    weights, pixels = model.state_dict(), images.numpy().copy()
    first = EXPLANATIONS[name](model, images).numpy()
    assert model.training
    assert model.conv.training
    assert not model.drop.training
    assert images.grad is None
    assert all(p.grad is None for p in model.parameters())
    assert all((weights[k] == v).all() for k, v in model.state_dict().items())
    assert (images.numpy() == pixels).all()
    assert not any(vars(m).get("_forward_hooks") for m in model.modules())
    assert (EXPLANATIONS[name](model, images).numpy() == first).all()  # no dropout: evaluation mode


@every
def test_explanations_are_constants_in_the_dtype_of_the_images(name: str, model: Any, images: Any) -> None:
    model.astype("float32")
    out = EXPLANATIONS[name](model, images.astype("float32"))
    assert (out.dtype, out.requires_grad) == (np.float32, False)
    assert out.shape == (images.shape if name in ("fgsm", "integrated_gradients") else (3, 6, 8))


@every
def test_each_image_is_explained_by_itself(name: str, model: Any, images: Any) -> None:
    if name == "smooth_grad":
        pytest.skip("noise is drawn for the batch")
    classes = [0, 3, 1]
    whole = EXPLANATIONS[name](model, images, classes).numpy()
    for i in range(3):
        alone = EXPLANATIONS[name](model, images[i : i + 1], classes[i : i + 1]).numpy()
        np.testing.assert_allclose(whole[i : i + 1], alone, rtol=1e-9, atol=1e-12)


@every
def test_the_models_own_answers_are_explained_unless_classes_are_given(
    name: str, model: Any, images: Any
) -> None:
    with td.no_grad():
        answers = model.eval()(images).argmax(axis=1)
    for classes in (answers, answers.numpy(), answers.numpy().tolist()):
        given = EXPLANATIONS[name](model, images, classes).numpy()
        np.testing.assert_array_equal(EXPLANATIONS[name](model, images).numpy(), given)
    others = (answers.numpy() + 1) % 4
    assert (EXPLANATIONS[name](model, images, others).numpy() != given).any()


@every
@pytest.mark.parametrize(
    ("images", "classes", "error", "match"),
    [
        (np.ones((1, 2, 6, 8)), None, TypeError, "images as a floating tensor, got ndarray"),
        (td.ones(1, 2, 6, 8, dtype="int64"), None, TypeError, "got int64"),
        (td.ones(2, 6, 8, dtype="float64"), None, ValueError, r"images \(N, C, H, W\).*\(2, 6, 8\)"),
        (td.ones(0, 2, 6, 8, dtype="float64"), None, ValueError, "at least one"),
        (td.ones(2, 2, 6, 8, dtype="float64"), [1], ValueError, "expected 2 integer classes"),
        (
            td.ones(2, 2, 6, 8, dtype="float64"),
            [0.0, 1.0],
            ValueError,
            "expected 2 integer classes, got float64",
        ),
        (td.ones(2, 2, 6, 8, dtype="float64"), [0, 4], ValueError, r"classes must be in \[0, 4\)"),
        (td.ones(2, 2, 6, 8, dtype="float64"), [-1, 0], ValueError, r"classes must be in \[0, 4\)"),
    ],
)
def test_what_can_not_be_explained_is_said(
    name: str, model: Any, images: Any, classes: Any, error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=f"{name}: .*{match}"):
        EXPLANATIONS[name](model, images, classes)


@every
def test_a_model_must_give_scores(name: str, model: Any, images: Any) -> None:
    model.dense.forward = lambda x: x.sum()
    with pytest.raises(ValueError, match=f"{name}: expected scores \\(3, classes\\) of the model"):
        EXPLANATIONS[name](model, images)
