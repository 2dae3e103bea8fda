"""Initial weights: their sizes, and what the sizes are for."""

from __future__ import annotations

import math
import tracemalloc
from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl import init

SHAPES: list[tuple[int, ...]] = [(60, 50), (20, 10, 3, 5)]
# variance of a weight, from fan_in and fan_out
VARIANCES: dict[str, Any] = {
    "glorot_uniform": lambda i, o: 2 / (i + o),
    "glorot_normal": lambda i, o: 2 / (i + o),
    "he_uniform": lambda i, o: 2 / i,
    "he_normal": lambda i, o: 2 / i,
    "lecun_normal": lambda i, o: 1 / i,
}


@pytest.mark.parametrize("name", list(VARIANCES))
@pytest.mark.parametrize("shape", SHAPES)
def test_mean_and_variance(name: str, shape: tuple[int, ...]) -> None:
    w = getattr(init, name)(shape, generator=0)
    taps = math.prod(shape[2:])
    variance = VARIANCES[name](shape[1] * taps, shape[0] * taps)
    assert w.shape == shape
    assert w.dtype == np.float32
    assert abs(w.numpy().mean()) < 4 * math.sqrt(variance / w.size)
    assert w.numpy().var() == pytest.approx(variance, rel=0.1)


@pytest.mark.parametrize("name", ["glorot_uniform", "he_uniform"])
@pytest.mark.parametrize("shape", SHAPES)
def test_uniform_weights_fill_their_interval(name: str, shape: tuple[int, ...]) -> None:
    w = getattr(init, name)(shape, generator=1).numpy()
    taps = math.prod(shape[2:])
    bound = math.sqrt(3 * VARIANCES[name](shape[1] * taps, shape[0] * taps))
    assert 0.99 * bound < np.abs(w).max() <= bound * (1 + 1e-6)


@pytest.mark.parametrize("name", ["glorot_uniform", "glorot_normal", "he_uniform", "he_normal"])
def test_the_gain_scales(name: str) -> None:
    one, three = (getattr(init, name)((4, 5), gain, generator=3).numpy() for gain in (1.0, 3.0))
    np.testing.assert_allclose(three, 3 * one, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", [*VARIANCES, "orthogonal"])
def test_the_generator_decides(name: str) -> None:
    f = getattr(init, name)
    assert np.array_equal(f((4, 5), generator=3).numpy(), f((4, 5), generator=td.Generator(3)).numpy())
    assert not np.array_equal(f((4, 5), generator=3).numpy(), f((4, 5), generator=4).numpy())
    td.manual_seed(8)
    a = f((4, 5))
    td.manual_seed(8)
    assert np.array_equal(f((4, 5)).numpy(), a.numpy())


@pytest.mark.parametrize("shape", [(5, 5), (3, 7), (7, 3), (4, 2, 3, 3), (30, 2, 3, 3), (1, 4)])
@pytest.mark.parametrize("gain", [1.0, 1.5])
def test_orthogonal(shape: tuple[int, ...], gain: float) -> None:
    w = init.orthogonal(shape, gain, generator=0)
    assert w.shape == shape
    assert w.dtype == np.float32
    m = w.numpy().reshape(shape[0], -1).astype(np.float64)
    product = m @ m.T if m.shape[0] <= m.shape[1] else m.T @ m
    np.testing.assert_allclose(product, gain**2 * np.eye(len(product)), atol=1e-5)


def test_orthogonal_matrices_have_no_preferred_sign() -> None:
    signs = [np.sign(init.orthogonal((2, 2), generator=i).numpy()[0, 0]) for i in range(100)]
    assert 30 < signs.count(1.0) < 70


def test_he_keeps_the_size_of_signals_through_many_relu_layers(device: str) -> None:
    x = td.randn(64, 200, generator=0, device=device)
    for i in range(10):
        x = td.relu(x @ init.he_normal((200, 200), generator=i).to(device).T)
    assert 0.3 < float((x * x).mean()) < 3.0


@pytest.mark.parametrize("shape", [(), (5,), (0, 3), (3, 0), (2, 2, 0, 1)])
def test_shapes_without_fans_are_refused(shape: tuple[int, ...]) -> None:
    for name in [*VARIANCES, "orthogonal"]:
        with pytest.raises(ValueError, match="expected a weight shape"):
            getattr(init, name)(shape)


def test_fans() -> None:
    assert init.fans((3, 5)) == (5, 3)
    assert init.fans((3, 5, 2, 4)) == (40, 24)


@pytest.mark.parametrize("name", list(VARIANCES))
def test_torch_has_the_same_variances(name: str) -> None:
    torch = pytest.importorskip("torch")
    shape = (200, 100)
    theirs = {
        "glorot_uniform": lambda w: torch.nn.init.xavier_uniform_(w),
        "glorot_normal": lambda w: torch.nn.init.xavier_normal_(w),
        "he_uniform": lambda w: torch.nn.init.kaiming_uniform_(w, nonlinearity="relu"),
        "he_normal": lambda w: torch.nn.init.kaiming_normal_(w, nonlinearity="relu"),
        "lecun_normal": lambda w: torch.nn.init.kaiming_normal_(w, nonlinearity="linear"),
    }[name](torch.empty(shape))
    ours = getattr(init, name)(shape, generator=0)
    assert ours.numpy().std() == pytest.approx(float(theirs.std()), rel=0.05)


@pytest.mark.parametrize("shape", [(), (0, 3), (5,), (3, 11_000), (7, 3, 5_000)])
def test_pieces_are_those_of_one_draw(shape: tuple[int, ...]) -> None:
    pieces, whole = td.Generator(3), td.Generator(3)
    assert init.uniform(shape, 0.5, pieces).numpy().tobytes() == whole.uniform(-0.5, 0.5, shape).tobytes()
    assert pieces.get_state() == whole.get_state()


def test_large_weights_are_held_once_while_they_are_drawn() -> None:
    tracemalloc.start()
    try:
        weight = init.uniform((1000, 1000), 0.1, generator=0)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1.5 * weight.data.nbytes
