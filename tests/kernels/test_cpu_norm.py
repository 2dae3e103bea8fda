"""Batch norm in blocks of rows against the textbook's, and when which of them runs."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinydl.kernels import cpu_norm, reference, threads
from tinydl.random import Generator
from tinydl.testing import memory_order, strategies

GRADIENT = ("g", "x", "weight", "mean", "var")
LAYOUTS = {
    2: ("contiguous", "transposed", "strided"),
    3: ("contiguous", "transposed", "strided"),
    4: (*strategies.IMAGE_LAYOUTS, "transposed", "strided"),
}


@st.composite
def batches(draw: st.DrawFn) -> dict[str, Any]:
    """What both functions take: x and its cotangent in layouts of their own, weight and bias or None, and eps."""
    sides = st.sampled_from((1, 2, 3, 4, 5, 17))
    ndim = draw(st.integers(2, 4))
    shape = tuple(draw(sides) for _ in range(ndim))
    dtype = draw(st.sampled_from((np.float32, np.float64)))
    x, g = (draw(strategies.arrays(shape, dtype, layout=draw(st.sampled_from(LAYOUTS[ndim])))) for _ in "xg")
    rest = {
        name: draw(st.none() | strategies.arrays((shape[1],), dtype, 0.5, 2.0)) for name in ("weight", "bias")
    }
    # A channel may be constant; then rounding must be small beside sqrt(eps).
    return {"x": x, "g": g, **rest, "eps": draw(st.sampled_from((0.1, 1e-3)))}


def computed(kernels: Any, drawn: dict[str, Any]) -> dict[str, Any]:
    """All outputs by name."""
    options = {name: drawn[name] for name in ("weight", "bias", "eps")}
    found = dict(zip(("out", "mean", "var"), kernels.batch_norm(np, drawn["x"], **options), strict=True))
    # The gradient's mean and variance are the textbook's, so that it is compared on its own.
    _, mean, var = reference.batch_norm(np, drawn["x"], **options)
    gradients = kernels.batch_norm_gradient(
        np, drawn["g"], drawn["x"], drawn["weight"], mean, var, drawn["eps"]
    )
    return found | dict(zip(("dx", "dweight", "dbias"), gradients, strict=True))


def bits(arrays: dict[str, Any]) -> dict[str, Any]:
    return {
        name: a if a is None else (a.shape, a.dtype, a.tobytes())
        for name, a in arrays.items()
        if name != "eps"
    }


def in_small_blocks(data: Any, patch: pytest.MonkeyPatch) -> None:
    """Draws the limits, so that small arrays are computed in blocks, and in several; new memory holds NaN."""
    original = np.empty_like

    def empty_like(x: Any) -> Any:
        out = original(x)
        out.fill(np.nan)
        return out

    patch.setattr(np, "empty_like", empty_like)
    patch.setattr(cpu_norm, "_SHORT", data.draw(st.sampled_from((cpu_norm._SHORT, 1))))
    patch.setattr(cpu_norm, "_BLOCK", data.draw(st.sampled_from((cpu_norm._BLOCK, 1, 1000))))
    patch.setattr(cpu_norm, "_SHARED", data.draw(st.sampled_from((cpu_norm._SHARED, 0))))


@given(drawn=batches(), data=st.data())
def test_batch_norm(drawn: dict[str, Any], data: Any) -> None:
    before = bits(drawn)
    with pytest.MonkeyPatch.context() as patch:
        in_small_blocks(data, patch)
        found = computed(cpu_norm, drawn)
    assert bits(drawn) == before
    tol = 1e-10 if drawn["x"].dtype == np.float64 else 2e-4
    for name, want in computed(reference, drawn).items():
        assert (found[name].shape, found[name].dtype) == (want.shape, want.dtype)
        np.testing.assert_allclose(
            found[name], want, rtol=tol, atol=tol * max(1.0, np.abs(want).max()), err_msg=name
        )


@given(drawn=batches(), data=st.data())
def test_helpers_change_no_bit(drawn: dict[str, Any], data: Any, helpers: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        in_small_blocks(data, patch)
        found = bits(computed(cpu_norm, drawn))
        patch.setattr(threads, "WORTHWHILE", math.inf)
        assert bits(computed(cpu_norm, drawn)) == found


@pytest.mark.parametrize("shape", [(4, 3, 4, 5), (4, 3, 4, 16), (1, 3, 4, 17), (2, 3, 1, 17), (5, 3, 5, 1)])
@pytest.mark.parametrize("layouts", [("nchw", "hcwn"), ("hcwn", "nchw"), ("nhwc", "hcwn"), ("hcwn", "hcwn")])
def test_the_gradient_may_lie_otherwise_than_the_input(shape: Any, layouts: tuple[str, str]) -> None:
    """As many images as rows, one image or one row: then two orders in memory look alike."""
    random = Generator(0)
    x, g = (strategies.lay_out(random.normal(shape, np.float64), layout) for layout in layouts)
    drawn = {"x": x, "g": g, "weight": None, "bias": None, "eps": 1e-5}
    found, want = computed(cpu_norm, drawn), computed(reference, drawn)
    for name in want:
        np.testing.assert_allclose(found[name], want[name], rtol=1e-10, atol=1e-10, err_msg=name)


@pytest.mark.parametrize(("layout", "tol"), [("nchw", 2e-3), ("hcwn", 2e-3), ("nhwc", 2e-2)])
def test_a_large_mean_costs_little_precision(layout: str, tol: float) -> None:
    """10000, of which float32 keeps three decimals; NumPy adds numbers that do not lie side by side less exactly.

    A variance as mean(x^2) - mean(x)^2 would be wrong by 8 and more.
    """
    random = Generator(0)
    x = strategies.lay_out((random.normal((16, 4, 16, 16)) + 1e4).astype(np.float32), layout)
    g = strategies.lay_out(random.normal(x.shape), layout)
    drawn = {"x": x, "g": g, "weight": None, "bias": None, "eps": 1e-5}
    out, mean, var = cpu_norm.batch_norm(np, x, None, None, 1e-5)
    dx, dweight, dbias = cpu_norm.batch_norm_gradient(np, g, x, None, mean, var, 1e-5)
    want = computed(reference, {**drawn, "x": x.astype(np.float64), "g": g.astype(np.float64)})
    for name, found in {"mean": mean, "var": var, "out": out, "dx": dx, "dbias": dbias}.items():
        np.testing.assert_allclose(found, want[name], rtol=0, atol=tol, err_msg=name)
    # Its sum over a channel has the mean's error once for each element.
    np.testing.assert_allclose(dweight, want["dweight"], rtol=0, atol=tol * abs(want["dbias"]).max())


@pytest.mark.parametrize("layout", strategies.IMAGE_LAYOUTS)
def test_results_lie_like_the_input(layout: str) -> None:
    x = strategies.lay_out(Generator(0).normal((4, 3, 5, 16)), layout)
    found = computed(cpu_norm, {"x": x, "g": x, "weight": None, "bias": None, "eps": 1e-5})
    assert memory_order(found["out"]) == memory_order(found["dx"]) == memory_order(x)


# ---- which way is taken


@pytest.mark.parametrize(
    ("shape", "layout", "dtype", "textbook"),
    [
        ((2, 3, 4, 4), "nchw", np.float32, False),
        ((2, 3, 4, 4), "nchw", np.float64, False),
        ((8, 3, 4, 2), "hcwn", np.float64, False),
        ((1, 3, 4, 16), "hcwn", np.float64, False),
        ((2, 3, 16), "contiguous", np.float64, False),
        ((2, 3, 3, 5), "nchw", np.float64, True),  # 15 numbers side by side
        ((5, 3, 4, 3), "hcwn", np.float64, True),
        ((2, 3, 15), "contiguous", np.float64, True),
        ((32, 3), "contiguous", np.float64, True),
        ((2, 3, 4, 4), "nhwc", np.float64, True),
        ((2, 3, 4, 4), "strided", np.float64, True),
        ((2, 3, 4, 4), "reversed", np.float64, True),
        ((2, 3, 4, 4), "broadcast", np.float64, True),
        ((2, 3, 16), "transposed", np.float64, True),
        ((2, 3, 4, 4), "nchw", np.complex128, True),
    ],
)
def test_where_numbers_lie_side_by_side_rows_are_blocks(
    shape: Any, layout: str, dtype: Any, textbook: bool, record: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cpu_norm, "_SHORT", 16)
    x = strategies.lay_out(Generator(0).normal(shape).astype(dtype), layout)
    _, mean, var = reference.batch_norm(np, x, None, None, 1e-5)
    calls = record(reference, "batch_norm", "batch_norm_gradient")
    cpu_norm.batch_norm(np, x, None, None, 1e-5)
    cpu_norm.batch_norm_gradient(np, x, x, None, mean, var, 1e-5)
    assert [name for name, _ in calls] == (["batch_norm", "batch_norm_gradient"] if textbook else [])


def test_no_channels_are_left_to_the_textbook() -> None:
    found = cpu_norm.batch_norm(np, np.empty((2, 0, 4, 4)), None, None, 1e-5)
    assert [a.shape for a in found] == [(2, 0, 4, 4), (0,), (0,)]


@given(rows=st.integers(1, 300), numbers=st.integers(1, 1_000_000), shared=st.booleans())
def test_blocks_cover_all_rows_once_and_fit_in_the_cache(rows: int, numbers: int, shared: bool) -> None:
    array = np.broadcast_to(np.float32(0), (rows, 1, numbers))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cpu_norm, "_SHARED", cpu_norm._COST * rows * numbers + (0 if shared else 1))
        blocks = cpu_norm._each(array, lambda block: block)
    assert (blocks[0].start, blocks[-1].stop) == (0, rows)
    assert all(a.stop == b.start for a, b in pairwise(blocks))
    lengths = {b.stop - b.start for b in blocks}
    assert min(lengths) > 0
    assert max(lengths) - min(lengths) <= 1
    assert max(lengths) == 1 or (max(lengths) - 1) * 4 * numbers <= cpu_norm._BLOCK
    least = min(rows, -(-4 * rows * numbers // cpu_norm._BLOCK))
    assert len(blocks) - least in ((0, 1) if shared else (0,))
    if shared:
        assert len(blocks) % 2 == 0 or len(blocks) == rows  # for two cores


def test_the_work_of_a_pass_grows_with_its_elements(record: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu_norm, "_COST", 7)
    calls = record(threads, "each")
    for height in (4, 8):
        x = np.ones((2, 3, height, 16))
        _, mean, var = cpu_norm.batch_norm(np, x, None, None, 1e-5)
        assert [work for _, (_, _, work) in calls] == [7 * x.size] * 3
        calls.clear()
        cpu_norm.batch_norm_gradient(np, x, x, None, mean, var, 1e-5)
        assert [work for _, (_, _, work) in calls] == [7 * x.size] * 2
        calls.clear()


# ---- a part of a batch


@pytest.mark.parametrize("affine", [False, True])
@given(data=st.data())
def test_sums_over_a_batch_of_which_others_have_a_part(affine: bool, data: Any) -> None:
    """The other part is one like this but shifted by 1: then means and variances are known."""
    random = Generator(0)
    x, g = random.normal((4, 3, 5, 4), np.float64), random.normal((4, 3, 5, 4), np.float64)
    weight, bias = (random.uniform(0.5, 2.0, (3,), np.float64) if affine else None for _ in "wb")
    whole = {"x": np.concatenate([x, x + 1.0]), "g": np.concatenate([g, g]), "weight": weight, "bias": bias}
    want = computed(reference, {**whole, "eps": 0.1})
    count, n = 2 * 4 * 5 * 4, 4 * 5 * 4
    gathered: list[Any] = []
    summed: list[Any] = []

    def gather(found: Any) -> Any:
        gathered.append(found.copy())
        share, mean, squares = found
        return np.stack([found, np.stack([share, mean + 1.0, squares])])

    def total(sums: Any) -> Any:
        summed.append(sums.copy())
        db, dw = sums
        r = 1.0 / np.sqrt(want["var"] + 0.1)
        return np.stack([2 * db, 2 * dw + db * r])  # x + 1 in the place of x

    with pytest.MonkeyPatch.context() as patch:
        in_small_blocks(data, patch)
        out, mean, var = cpu_norm.normalized(x, weight, bias, 0.1, count, gather)
        dx, dw, db = cpu_norm.normalized_gradient(g, x, weight, mean, var, 0.1, count, total)
    close = {"rtol": 1e-10, "atol": 1e-10}
    for name, found in {"out": out, "dx": dx}.items():
        np.testing.assert_allclose(found, want[name][:4], **close, err_msg=name)
    for name, found in {"mean": mean, "var": var}.items():
        np.testing.assert_allclose(found, want[name], **close, err_msg=name)
    np.testing.assert_allclose(2 * db, want["dbias"], **close)  # what this part gives to weight and bias
    r = 1.0 / np.sqrt(want["var"] + 0.1)
    np.testing.assert_allclose(2 * dw + db * r, want["dweight"], **close)
    # All parts must agree on what they exchange, and when.
    assert (len(gathered), len(summed)) == (1, 1)
    share, mean, squares = gathered[0]
    np.testing.assert_array_equal(share, np.full(3, n / count))
    np.testing.assert_allclose(mean, x.mean((0, 2, 3)), **close)
    np.testing.assert_allclose(squares, x.var((0, 2, 3)) * n, **close)
    np.testing.assert_array_equal(summed[0], np.stack([db, dw]))
