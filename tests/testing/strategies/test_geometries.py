"""Geometries: accepted by tinydl and by PyTorch, at every edge, small when shrunk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinydl as td
from tinydl.testing import strategies

Geometry = strategies.Geometry
Edges = dict[str, Callable[[Geometry], Any]]
F = td.functional

CONVOLUTIONS = {"conv2d": strategies.conv_geometries(), "conv_transpose2d": strategies.conv_geometries(True)}
POOLINGS = {
    "avg_pool2d": strategies.pool_geometries(),
    "max_pool2d": strategies.pool_geometries(dilated=True),
}
EVERY = {**CONVOLUTIONS, **POOLINGS}


def arguments(g: Geometry) -> list[tuple[int, ...]]:
    return [g.input_shape, g.weight_shape] if g.weight_shape else [g.input_shape]


@pytest.mark.parametrize("name", EVERY)
@given(data=st.data())
def test_tinydl_accepts_them(name: str, data: Any) -> None:
    g = data.draw(EVERY[name])
    out = getattr(F, name)(*map(td.zeros, arguments(g)), **g.options)
    assert out.shape[:-3] == g.input_shape[:-3]
    assert 0 not in out.shape[-3:]
    assert (out.numpy() == 0).all()  # finite: every window of a pooling has an element of the image in it


@pytest.mark.parametrize("name", EVERY)
@given(data=st.data())
def test_torch_accepts_them(name: str, data: Any, torch: Any) -> None:
    g = data.draw(EVERY[name])
    theirs = getattr(torch.nn.functional, name)(*map(torch.zeros, arguments(g)), **g.options)
    ours = getattr(F, name)(*map(td.zeros, arguments(g)), **g.options)
    assert ours.shape == tuple(theirs.shape)


# ---- what they reach. An edge along H will do: the axes are drawn alike.


def span(g: Geometry) -> int:
    """How far the window reaches along H."""
    kernel = g.weight_shape[2] if g.weight_shape else g.options["kernel_size"][0]
    return int(g.options.get("dilation", (1, 1))[0] * (kernel - 1) + 1)


def room(g: Geometry) -> int:
    """How far the window can be moved along H."""
    return int(g.input_shape[-2] + 2 * g.options["padding"][0] - span(g))


def stride(g: Geometry) -> int:
    return int((g.options["stride"] or g.options["kernel_size"])[0])


COMMON: Edges = {
    "one image without a batch": lambda g: len(g.input_shape) == 3,
    "a batch of 0": lambda g: len(g.input_shape) == 4 and g.input_shape[0] == 0,
    "a batch of 1": lambda g: len(g.input_shape) == 4 and g.input_shape[0] == 1,
    "a batch of more": lambda g: len(g.input_shape) == 4 and g.input_shape[0] > 1,
    "an image of 1 x 1": lambda g: g.input_shape[-2:] == (1, 1),
    "height and width differ": lambda g: g.input_shape[-2] != g.input_shape[-1],
    "one channel": lambda g: g.input_shape[-3] == 1,
    "padding along H alone": lambda g: g.options["padding"][0] and not g.options["padding"][1],
}
WINDOW: Edges = {
    "a kernel as large as the padded image": lambda g: (
        room(g) == 0 and g.options["padding"][0] and span(g) > 1
    ),
    "a kernel as large as the image": lambda g: room(g) == 0 and not g.options["padding"][0] and span(g) > 1,
    "a kernel larger than the image": lambda g: span(g) > g.input_shape[-2],
    "a stride larger than the kernel": lambda g: stride(g) > span(g) and room(g) >= stride(g),
    "an image that the last window does not reach the end of": lambda g: room(g) % stride(g),
    "windows that overlap": lambda g: stride(g) < span(g) and room(g) >= stride(g),
}
BOTH: Edges = {
    "a kernel of 1 x 1": lambda g: g.weight_shape[2:] == (1, 1),
    "a kernel of 2 x 3": lambda g: g.weight_shape[2:] == (2, 3),
    "strides differ": lambda g: g.options["stride"][0] != g.options["stride"][1],
    "dilations differ": lambda g: g.options["dilation"][0] != g.options["dilation"][1],
    "dilation and padding": lambda g: (
        g.options["dilation"][0] > 1 and g.options["padding"][0] and g.weight_shape[2] > 1
    ),
    "dilation and stride": lambda g: (
        g.options["dilation"][0] > 1 and g.options["stride"][0] > 1 and g.weight_shape[2] > 1
    ),
    "groups of several channels": lambda g: (
        g.options["groups"] > 1 and g.weight_shape[0] > g.options["groups"]
    ),
    "three groups": lambda g: g.options["groups"] == 3,
    "depthwise": lambda g: g.options["groups"] == g.input_shape[-3] > 1,
    "depthwise, two outputs for each channel": lambda g: (
        g.options["groups"] == g.input_shape[-3] > 1
        and 2 in (g.weight_shape[1], g.weight_shape[0] // g.options["groups"])
    ),
    "one channel in and out": lambda g: g.input_shape[-3] == 1 and g.weight_shape[:2] == (1, 1),
}
TRANSPOSED: Edges = {
    "output padding": lambda g: g.options["output_padding"][0] > 0,
    "output padding at its limit": lambda g: (
        g.options["output_padding"][0] == max(g.options["stride"][0], g.options["dilation"][0]) - 1 > 0
    ),
    "output padding from the dilation": lambda g: g.options["output_padding"][0] >= g.options["stride"][0],
    "output padding and padding": lambda g: g.options["output_padding"][0] and g.options["padding"][0],
    "padding that leaves one row": lambda g: g.options["padding"][0] and back(g) == 1,
}
POOLED: Edges = {
    "no stride given": lambda g: g.options["stride"] is None,
    "a kernel of 1 x 1": lambda g: g.options["kernel_size"] == (1, 1),
    "a kernel of 2 x 3": lambda g: g.options["kernel_size"] == (2, 3),
    "a partial last window": lambda g: g.options["ceil_mode"] and room(g) % stride(g),
    "a partial last window and padding": lambda g: (
        g.options["ceil_mode"] and room(g) % stride(g) and g.options["padding"][0]
    ),
    "a last window that would start in the border": lambda g: (
        g.options["ceil_mode"]
        and room(g) % stride(g)
        and -(-room(g) // stride(g)) * stride(g) >= g.input_shape[-2] + g.options["padding"][0]
    ),
    "several channels": lambda g: g.input_shape[-3] > 1,
}


def back(g: Geometry) -> int:
    """The height of what a transposed convolution gives."""
    before = (g.input_shape[-2] - 1) * g.options["stride"][0] + span(g)
    return int(before + g.options["output_padding"][0] - 2 * g.options["padding"][0])


EDGES: dict[str, Edges] = {
    "conv2d": {
        **COMMON,
        **WINDOW,
        **BOTH,
        "windows in the border alone": lambda g: g.options["padding"][0] >= span(g),
    },
    "conv_transpose2d": {**COMMON, **BOTH, **TRANSPOSED},
    "avg_pool2d": {
        **COMMON,
        **WINDOW,
        **POOLED,
        "the border does not count": lambda g: not g.options["count_include_pad"] and g.options["padding"][0],
    },
    "max_pool2d": {
        **COMMON,
        **WINDOW,
        **POOLED,
        "dilation and padding": lambda g: g.options["dilation"][0] == 3 and g.options["padding"][0],
    },
}


@pytest.fixture(scope="module")
def drawn(examples: Any) -> Any:
    return {name: examples(strategy) for name, strategy in EVERY.items()}


@pytest.mark.parametrize(("name", "edge"), [(name, edge) for name in EDGES for edge in EDGES[name]])
def test_geometries_reach(name: str, edge: str, drawn: Any) -> None:
    assert any(map(EDGES[name][edge], drawn[name]))


# ---- what they shrink to

LEAST = {
    "conv2d": {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1), "groups": 1},
    "avg_pool2d": {
        "kernel_size": (1, 1),
        "stride": None,
        "padding": (0, 0),
        "ceil_mode": False,
        "count_include_pad": True,
    },
    "max_pool2d": {
        "kernel_size": (1, 1),
        "stride": None,
        "padding": (0, 0),
        "ceil_mode": False,
        "dilation": (1, 1),
    },
}
LEAST["conv_transpose2d"] = {**LEAST["conv2d"], "output_padding": (0, 0)}
ONE = (1, 1, 1, 1)


@pytest.mark.parametrize("name", EVERY)
def test_geometries_shrink(name: str, smallest: Any) -> None:
    assert smallest(EVERY[name]) == Geometry(ONE, ONE if name in CONVOLUTIONS else (), LEAST[name])


SHRUNK: list[tuple[str, Callable[[Geometry], Any], Geometry]] = [
    ("conv2d", lambda g: 2 in g.options["dilation"], Geometry(ONE, ONE, {"dilation": (1, 2)})),
    ("conv2d", lambda g: g.options["groups"] == 2, Geometry((1, 2, 1, 1), (2, 1, 1, 1), {"groups": 2})),
    ("conv2d", lambda g: g.weight_shape[2] == 3, Geometry((1, 1, 3, 1), (1, 1, 3, 1), {})),
    ("conv2d", lambda g: len(g.input_shape) == 3, Geometry((1, 1, 1), ONE, {})),
    ("conv2d", lambda g: 0 in g.input_shape, Geometry((0, 1, 1, 1), ONE, {})),
    ("conv2d", lambda g: g.options["padding"][0] > 0, Geometry(ONE, ONE, {"padding": (1, 0)})),
    (
        "conv_transpose2d",
        lambda g: g.options["output_padding"][0] > 0 and g.options["dilation"] == (1, 1),
        Geometry(ONE, ONE, {"stride": (2, 1), "output_padding": (1, 0)}),
    ),
    (
        "max_pool2d",
        POOLED["a partial last window"],
        Geometry((1, 1, 3, 1), (), {"kernel_size": (2, 1), "ceil_mode": True}),
    ),
    ("avg_pool2d", lambda g: g.options["padding"][1], Geometry(ONE, (), {"kernel_size": (1, 2), "padding": (0, 1)})),
]  # fmt: skip


@pytest.mark.parametrize(("name", "condition", "want"), SHRUNK)
def test_geometries_with_a_property_shrink(
    name: str, condition: Callable[[Geometry], Any], want: Geometry, smallest: Any
) -> None:
    found = smallest(EVERY[name], condition)
    assert found == Geometry(want.input_shape, want.weight_shape, {**LEAST[name], **want.options})


def test_a_geometry_prints_as_what_it_is_made_of(smallest: Any) -> None:
    assert repr(smallest(strategies.conv_geometries())) == (
        "Geometry(input_shape=(1, 1, 1, 1), weight_shape=(1, 1, 1, 1), "
        "options={'stride': (1, 1), 'padding': (0, 0), 'dilation': (1, 1), 'groups': 1})"
    )
