from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

import tinydl as td
from tinydl.plot import graph

Texts = Callable[[Figure], list[str]]


def boxes(figure: Figure) -> list[FancyBboxPatch]:
    return [patch for patch in figure.axes[0].patches if isinstance(patch, FancyBboxPatch)]


def arrows(figure: Figure) -> list[FancyArrowPatch]:
    return [patch for patch in figure.axes[0].patches if isinstance(patch, FancyArrowPatch)]


def labels(figure: Figure) -> list[tuple[str, str]]:
    said = [t.get_text() for t in figure.axes[0].texts]
    return list(zip(said[::2], said[1::2], strict=True))


def leaf(*shape: int) -> td.Tensor:
    return td.tensor(np.ones(shape), requires_grad=True)


def test_boxes_for_operations_and_leaves_with_their_shapes() -> None:
    a, b = leaf(2, 3), leaf(3)
    figure = graph((a * b).tanh().sum(), names={"a": a})
    assert labels(figure) == [
        ("a", "(2, 3)"), ("leaf", "(3,)"), ("multiply", "(2, 3)"), ("tanh", "(2, 3)"), ("sum", "()"),
    ]  # fmt: skip
    colours = [to_hex(box.get_edgecolor()) for box in boxes(figure)]
    assert len(set(colours[:2])) == len(set(colours[2:])) == 1
    assert colours[0] != colours[2]
    assert len(arrows(figure)) == 4
    assert figure.get_suptitle() == "Computation graph"


def test_inputs_stand_above_and_arrows_lead_from_box_to_box() -> None:
    a, b = leaf(2), leaf(2)
    product = a * b
    figure = graph((product.tanh() + product).sum(), title="Shared")
    middle = {text.get_text(): text.get_position() for text in figure.axes[0].texts[::2]}
    assert middle["multiply"][1] > middle["tanh"][1] > middle["add"][1] > middle["sum"][1]
    assert len(arrows(figure)) == 6  # multiply's value goes to tanh and to add
    for arrow in arrows(figure):
        vertices = arrow._path_original.vertices  # as given, in inches
        start, end = vertices[0], vertices[-1]
        assert start[1] > end[1]
        for x, y in (start, end):
            assert any(
                abs(y - (box.get_y() + box.get_height() / 2)) < 0.25
                and box.get_x() - 0.08 <= x <= box.get_x() + box.get_width() + 0.08
                for box in boxes(figure)
            )


def test_a_value_used_twice_has_two_arrows() -> None:
    a = leaf(2)
    figure = graph((a * a).sum())
    first, second, _ = arrows(figure)
    assert first._path_original.vertices[0][0] != second._path_original.vertices[0][0]


def test_a_network_with_its_names(texts: Texts) -> None:
    model = td.models.LeNet5(generator=0)
    loss = td.losses.cross_entropy(model(td.tensor(np.zeros((2, 1, 32, 32), np.float32))), td.tensor([1, 2]))
    figure = graph(loss, names=dict(model.named_parameters()))
    said = texts(figure)
    assert {name for name, _ in model.named_parameters()} <= set(said)
    assert "parameter" not in said
    assert "parameter" in texts(graph(loss))


def test_labels_fit_their_boxes_and_all_is_inside() -> None:
    model = td.models.LeNet5(generator=0)
    scores = model(td.tensor(np.zeros((2, 1, 32, 32), np.float32)))
    figure = graph(scores, names=dict(model.named_parameters()))
    figure.draw_without_rendering()
    said = figure.axes[0].texts
    for i, box in enumerate(boxes(figure)):
        around = box.get_window_extent()
        for text in said[2 * i : 2 * i + 2]:
            inner = text.get_window_extent()
            assert around.x0 <= inner.x0 <= inner.x1 <= around.x1
            assert around.y0 <= inner.y0 <= inner.y1 <= around.y1
        assert figure.bbox.x0 <= around.x0 <= around.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= around.y0 <= around.y1 <= figure.bbox.y1


def test_drawing_keeps_the_graph() -> None:
    a = leaf(2)
    y = (a * a).sum()
    graph(y)
    y.backward()
    assert a.grad is not None
    np.testing.assert_array_equal(a.grad.numpy(), [2, 2])


def test_refuses_a_freed_graph() -> None:
    a = leaf(2)
    y = (a * a).sum()
    y.backward()
    with pytest.raises(
        RuntimeError, match=r"graph: the graph was freed at sum by a backward pass; .*retain_graph"
    ):
        graph(y)
    shared = a * a
    shared.sum().backward()
    with pytest.raises(RuntimeError, match="graph: the graph was freed at multiply"):
        graph(shared.tanh())


def test_refuses_what_has_no_graph() -> None:
    with pytest.raises(RuntimeError, match="graph: this tensor has no graph: it is a leaf"):
        graph(leaf(2))
    with td.no_grad():
        y = leaf(2) * 2
    with pytest.raises(RuntimeError, match="graph: this tensor has no graph"):
        graph(y)
    with pytest.raises(TypeError, match="graph: expected a Tensor, got ndarray"):
        graph(np.ones(2))


def test_refuses_more_than_200_boxes() -> None:
    y = leaf(1)
    for _ in range(199):
        y = y.tanh()
    assert len(labels(graph(y))) == 200
    with pytest.raises(ValueError, match="graph: expected at most 200 operations and leaves, got more"):
        graph(y.tanh())
    for _ in range(20_000):  # any depth: refused, not a RecursionError
        y = y.tanh()
    with pytest.raises(ValueError, match="graph: expected at most 200"):
        graph(y)
