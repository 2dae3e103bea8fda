"""Random numbers: the published function, the same numbers again, and roughly the right distributions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinydl as td
from tinydl.random import Generator, as_generator
from tinydl.shards import Shard, computing

MASK = 2**64 - 1


def philox4x64(counter: int, key: int) -> list[int]:
    """Philox4x64-10 in Python integers, after Salmon et al. (2011), section 3.3 and table 2."""
    c = [counter >> 64 * i & MASK for i in range(4)]
    k0, k1 = key & MASK, key >> 64
    for _ in range(10):
        product0, product1 = 0xD2E7470EE14C6C93 * c[0], 0xCA5A826395121157 * c[2]
        c = [
            (product1 >> 64) ^ c[1] ^ k0,
            product1 & MASK,
            (product0 >> 64) ^ c[3] ^ k1,
            product0 & MASK,
        ]
        k0, k1 = (k0 + 0x9E3779B97F4A7C15) & MASK, (k1 + 0xBB67AE8584CAA73B) & MASK
    return c


def stream(key: int, n: int, start: int = 0) -> list[int]:
    """Words of the stream: block b is philox(b + 1)."""
    blocks = range(start, start + -(-n // 4))
    return [word for b in blocks for word in philox4x64((b + 1) % 2**256, key)][:n]


def test_the_plain_philox_agrees_with_the_published_test_vectors() -> None:
    """From kat_vectors of the authors' Random123 library."""
    assert philox4x64(0, 0) == [
        0x16554D9ECA36314C, 0xDB20FE9D672D0FDC, 0xD7E772CEE186176B, 0x7E68B68AEC7BA23B,
    ]  # fmt: skip
    assert philox4x64(2**256 - 1, 2**128 - 1) == [
        0x87B092C3013FE90B, 0x438C3C67BE8D0224, 0x9CC7D7C69CD777B6, 0xA09CAEBF594F0BA0,
    ]  # fmt: skip


@pytest.mark.parametrize("seed", [0, 1, 42, 2**64 - 1, 2**64, 2**127 + 12345, 2**128 - 1])
def test_words_are_those_of_philox(seed: int) -> None:
    assert td.Generator(seed).words(13).tolist() == stream(seed, 13)


def test_every_draw_starts_at_a_fresh_block() -> None:
    g = td.Generator(7)
    assert g.words(5).tolist() == stream(7, 5)
    assert g.words(2).tolist() == stream(7, 2, start=2)
    assert g.words(0).tolist() == []
    assert g.words(4).tolist() == stream(7, 4, start=3)


@given(st.integers(0, 2**128 - 1), st.integers(0, 2**192 - 10), st.integers(0, 9))
def test_any_place_of_the_stream_can_be_reached(seed: int, counter: int, n: int) -> None:
    g = td.Generator()
    g.set_state({"seed": seed, "counter": counter})
    assert g.words(n).tolist() == stream(seed, n, start=counter)
    assert g.get_state() == {"seed": seed, "counter": counter + -(-n // 4)}


def test_uniform_numbers_by_their_formula() -> None:
    words = stream(3, 3)
    halves = [half for w in words for half in (w & 0xFFFFFFFF, w >> 32)]
    assert td.Generator(3).random(5).tolist() == [(h >> 8) * 2.0**-24 for h in halves[:5]]
    assert td.Generator(3).random(3, np.float64).tolist() == [(w >> 11) * 2.0**-53 for w in words]


def test_normal_numbers_by_their_formula() -> None:
    u, v = td.Generator(3).random((2, 3), np.float64)
    radius = [math.sqrt(-2 * math.log(1 - a)) for a in u]
    expected = [r * math.cos(2 * math.pi * b) for r, b in zip(radius, v, strict=True)]
    expected += [r * math.sin(2 * math.pi * b) for r, b in zip(radius, v, strict=True)]
    np.testing.assert_allclose(td.Generator(3).normal(5, np.float64), expected[:5], rtol=1e-14)


DRAWS: dict[str, Any] = {
    "words": lambda g: g.words(7),
    "random": lambda g: g.random((3, 5)),
    "random64": lambda g: g.random((3, 5), np.float64),
    "uniform": lambda g: g.uniform(-2.0, 3.0, 7),
    "normal": lambda g: g.normal((2, 3)),
    "normal64": lambda g: g.normal(5, "float64"),
    "integers": lambda g: g.integers(-3, 9, (4, 2)),
    "permutation": lambda g: g.permutation(9),
    "fork": lambda g: g.fork().random(4),
}


@pytest.mark.parametrize("name", list(DRAWS))
def test_the_same_seed_draws_the_same_numbers_and_another_others(name: str) -> None:
    draw = DRAWS[name]
    assert np.array_equal(draw(td.Generator(5)), draw(td.Generator(5)))
    assert not np.array_equal(draw(td.Generator(5)), draw(td.Generator(6)))
    g = td.Generator(5)
    assert not np.array_equal(draw(g), draw(g))


@pytest.mark.parametrize("name", list(DRAWS))
def test_a_restored_state_goes_on_exactly(name: str) -> None:
    g = td.Generator(11)
    for draw in DRAWS.values():
        draw(g)
    state = g.get_state()
    expected = [DRAWS[name](g) for _ in range(3)]
    assert g.get_state() != state
    other = td.Generator(99)
    other.random(3)
    other.set_state(state)
    for array in expected:
        assert np.array_equal(DRAWS[name](other), array)
    assert other.get_state() == g.get_state()


def test_draws_of_any_size_consume_whole_blocks_only() -> None:
    for name, blocks in [("words", 2), ("random", 2), ("random64", 4), ("normal", 1), ("permutation", 3)]:
        g = td.Generator(0)
        DRAWS[name](g)
        assert g.get_state()["counter"] == blocks, name


def test_empty_and_scalar_shapes() -> None:
    g = td.Generator(0)
    assert g.random(()).shape == ()
    assert g.random(0).shape == (0,)
    assert g.normal((3, 0)).shape == (3, 0)
    assert g.normal(()).shape == ()
    assert g.permutation(0).tolist() == []
    assert g.integers(0, 5).shape == ()
    assert g.random(np.int64(3)).shape == (3,)


@pytest.mark.parametrize("name", ["random", "uniform", "normal"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtypes(name: str, dtype: Any) -> None:
    assert getattr(td.Generator(0), name)(shape=(3,), dtype=dtype).dtype == dtype
    with pytest.raises(TypeError, match="float32 or float64"):
        getattr(td.Generator(0), name)(shape=(3,), dtype="float16")


# ---- distributions


def _kolmogorov_smirnov(sample: Any, cdf: Any) -> float:
    """sqrt(n) times the largest distance between the empirical and the true distribution function."""
    x = np.sort(sample.astype(np.float64))
    f = np.vectorize(cdf)(x)
    n = len(x)
    distance = max((np.arange(1, n + 1) / n - f).max(), (f - np.arange(n) / n).max())
    return float(distance * math.sqrt(n))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_uniform_distribution(dtype: Any) -> None:
    x = td.Generator(1).random(20_000, dtype)
    assert 0.0 <= x.min() < 0.001
    assert 0.999 < x.max() < 1.0
    assert abs(x.mean() - 0.5) < 4 / math.sqrt(12 * 20_000)
    assert abs(x.var() - 1 / 12) < 0.002
    assert _kolmogorov_smirnov(x, lambda v: v) < 1.95  # p = 0.001
    lag = np.corrcoef(x[:-1], x[1:])[0, 1]
    assert abs(lag) < 0.03


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_normal_distribution(dtype: Any) -> None:
    x = td.Generator(2).normal(20_000, dtype)
    assert abs(x.mean()) < 4 / math.sqrt(20_000)
    assert abs(x.var() - 1.0) < 0.04
    assert abs((x**3).mean()) < 0.1
    assert abs((x**4).mean() - 3.0) < 0.2
    assert _kolmogorov_smirnov(x, lambda v: 0.5 * (1 + math.erf(v / math.sqrt(2)))) < 1.95
    half = len(x) // 2
    assert abs(np.corrcoef(x[:half], x[half:])[0, 1]) < 0.04  # the two of a pair


def test_float32_uniform_numbers_are_always_below_one(monkeypatch: pytest.MonkeyPatch) -> None:
    g = td.Generator(0)
    monkeypatch.setattr(g, "words", lambda n: np.full(n, MASK, np.uint64))
    for dtype in (np.float32, np.float64):
        assert (g.random(5, dtype) < 1.0).all()
        assert (g.random(5, dtype) > 0.99999).all()
        assert np.isfinite(g.normal(6, dtype)).all()  # log 0 is never asked for
    assert g.integers(0, 10, 3).tolist() == [9, 9, 9]


def test_the_smallest_words_give_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    g = td.Generator(0)
    monkeypatch.setattr(g, "words", lambda n: np.zeros(n, np.uint64))
    assert g.random(3).tolist() == [0.0, 0.0, 0.0]
    assert g.integers(-4, 10, 2).tolist() == [-4, -4]
    assert np.isfinite(g.normal(4)).all()


def test_uniform_bounds() -> None:
    x = td.Generator(0).uniform(-3.0, 5.0, 5000)
    assert -3.0 <= x.min() < -2.98
    assert 4.98 < x.max() <= 5.0
    assert abs(x.mean() - 1.0) < 0.15


def test_integers_cover_their_range_evenly() -> None:
    x = td.Generator(4).integers(-2, 5, 14_000)
    assert x.dtype == np.int64
    values, counts = np.unique(x, return_counts=True)
    assert values.tolist() == list(range(-2, 5))
    assert ((counts - 2000.0) ** 2 / 2000.0).sum() < 22.5  # chi squared, 6 degrees, p = 0.001
    with pytest.raises(ValueError, match="low < high"):
        td.Generator(0).integers(3, 3)


@given(st.integers(0, 2**64), st.integers(0, 300))
def test_a_permutation_is_a_permutation(seed: int, n: int) -> None:
    order = td.Generator(seed).permutation(n)
    assert order.dtype == np.int64
    assert sorted(order.tolist()) == list(range(n))


def test_all_permutations_are_about_equally_likely() -> None:
    g = td.Generator(0)
    counts: dict[tuple[int, ...], int] = {}
    for _ in range(3000):
        order = tuple(g.permutation(3).tolist())
        counts[order] = counts.get(order, 0) + 1
    assert len(counts) == 6
    assert sum((c - 500.0) ** 2 / 500.0 for c in counts.values()) < 20.5  # chi squared, 5 degrees, p = 0.001


def test_forks_differ_from_their_parent_and_from_each_other() -> None:
    g = td.Generator(0)
    a, b = g.fork(), g.fork()
    drawn = [x.random(4).tolist() for x in (a, b, g, td.Generator(0))]
    assert len({tuple(d) for d in drawn}) == 4
    assert 0 <= a.seed < 2**128


# ---- seeds, states and what stands for a generator


@pytest.mark.parametrize("seed", [-1, 2**128])
def test_seeds_out_of_range(seed: int) -> None:
    with pytest.raises(ValueError, match="seed must be in"):
        td.Generator(seed)


@pytest.mark.parametrize("seed", [1.0, "1", None, True])
def test_seeds_that_are_no_integers(seed: Any) -> None:
    with pytest.raises(TypeError, match="seed must be an integer"):
        td.Generator(seed)


def test_numpy_integers_are_seeds() -> None:
    assert td.Generator(np.int64(5)).random(2).tolist() == td.Generator(5).random(2).tolist()
    assert td.Generator(np.int64(5)).get_state() == {"seed": 5, "counter": 0}


@pytest.mark.parametrize(
    "state",
    [{}, {"seed": 1}, {"counter": 1}, {"seed": "x", "counter": 0}, {"seed": -1, "counter": 0},
     {"seed": 1, "counter": -1}, {"seed": 2**128, "counter": 0}, None],
)  # fmt: skip
def test_a_state_that_is_none_changes_nothing(state: Any) -> None:
    g = td.Generator(3)
    g.random(5)
    before = g.get_state()
    with pytest.raises(ValueError, match=r"Generator\.set_state"):
        g.set_state(state)
    assert g.get_state() == before
    assert g.random(3).tolist() == _after(3, 5).tolist()


def _after(seed: int, drawn: int) -> Any:
    g = td.Generator(seed)
    g.random(drawn)
    return g.random(3)


def test_as_generator() -> None:
    g = td.Generator(1)
    assert as_generator(g) is g
    assert as_generator(5).get_state() == {"seed": 5, "counter": 0}
    assert as_generator(np.int32(5)).seed == 5
    a, b = np.random.default_rng(7), np.random.default_rng(7)
    assert as_generator(a).seed == as_generator(b).seed
    assert as_generator(a).seed != as_generator(np.random.default_rng(7)).seed  # the next draw seeds it
    for wrong in ("1", 1.0, True, np.random.RandomState(0)):
        with pytest.raises(TypeError, match="generator must be"):
            as_generator(wrong)


def test_manual_seed_restarts_the_default_generator() -> None:
    g = td.manual_seed(9)
    assert as_generator(None) is g
    a = as_generator(None).random(3)
    td.manual_seed(9)
    assert as_generator(None).random(3).tolist() == a.tolist()
    assert a.tolist() == td.Generator(9).random(3).tolist()
    with pytest.raises(ValueError, match="seed"):
        td.manual_seed(-1)


def test_numpys_global_state_is_not_touched() -> None:
    before = np.random.get_state()[1].copy()  # noqa: NPY002  # the state that must not change
    td.manual_seed(1)
    td.Generator(3).normal(10)
    after = np.random.get_state()[1]  # noqa: NPY002  # the state that must not change
    assert np.array_equal(before, after)


def test_repr_shows_the_place() -> None:
    g = td.Generator(3)
    g.random(3)
    assert repr(g) == "Generator(seed=3, counter=1)"


@pytest.mark.parametrize("draw", ["random", "normal"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_processes_that_share_a_batch_draw_the_rows_of_one(draw, dtype):
    whole, shares = Generator(5), Generator(5)
    everything = getattr(whole, draw)((7, 3), dtype)
    state = shares.get_state()
    for start, stop in ((0, 2), (2, 7)):
        shares.set_state(state)
        with computing(Shard(start, stop, 7, lambda values: values)):
            part = getattr(shares, draw)((stop - start, 3), dtype)
        assert part.tobytes() == everything[start:stop].tobytes()
        assert shares.get_state() == whole.get_state()


@pytest.mark.parametrize(
    "draw",
    [
        lambda g: g.random(),
        lambda g: g.normal((1, 3)),
        lambda g: g.integers(0, 5, (6, 3)),
        lambda g: g.words(3),
        lambda g: g.permutation(3),
        lambda g: g.fork(),
    ],
)
def test_other_draws_have_no_rows_to_share(draw):
    generator = Generator(5)
    with computing(Shard(0, 3, 6, lambda values: values)):
        assert generator.integers(0, 5, (3, 2)).shape == (3, 2)
        before = generator.get_state()
        with pytest.raises(RuntimeError, match=r"a row for each row of the batch.*train with shards=1"):
            draw(generator)
        assert generator.get_state() == before
