"""Philox on the device: the words of NumPy's generator, and all that td.Generator makes of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinydl as td
from tinydl.kernels.cuda import random
from tinydl.testing import strategies

MASK = 2**64 - 1
# Seeds of one word and of two; counters before each place where a carry goes on to the next word.
seeds = st.integers(0, 2**128 - 1) | st.integers(0, 9)
counters = st.integers(0, 2**80) | st.sampled_from(
    (0, 1, MASK - 1, MASK, MASK - 3, 2**128 - 2, 2**128 - 1, 2**191)
)


def at(seed: int, counter: int) -> td.Generator:
    generator = td.Generator(0)
    generator.set_state({"seed": seed, "counter": counter})
    return generator


@given(seed=seeds, counter=counters, n=st.integers(0, 40))
def test_words_are_numpys(seed: int, counter: int, n: int, launcher: Any) -> None:
    state = random.state_words(seed, counter)
    found = random.words(np, state, n)
    np.testing.assert_array_equal(found, np.random.Philox(key=seed, counter=counter).random_raw(n))
    np.testing.assert_array_equal(found, at(seed, counter).words(n))


@given(
    seed=seeds, counter=counters, shape=strategies.shapes(), dtype=st.sampled_from((np.float32, np.float64))
)
def test_uniform_and_normal_numbers(seed: int, counter: int, shape: Any, dtype: Any, launcher: Any) -> None:
    state = random.state_words(seed, counter)
    found = random.uniform(np, state, shape, dtype)
    want = at(seed, counter).random(shape, dtype)
    assert (found.dtype, found.shape) == (want.dtype, want.shape)
    assert found.tobytes() == want.tobytes()
    tol = 1e-5 if dtype == np.float32 else 1e-13
    normal = random.normal(np, state, shape, dtype)
    np.testing.assert_allclose(normal, at(seed, counter).normal(shape, dtype), rtol=tol, atol=tol)


@given(
    shape=strategies.shapes(),
    p=st.sampled_from((0.0, 0.1, 0.5, 1 / 3, 1.0)),
    dtype=st.sampled_from((np.float32, np.float64)),
)
def test_the_mask_is_that_of_dropout(shape: Any, p: float, dtype: Any, launcher: Any) -> None:
    mask = random.dropout_mask(np, random.state_words(7, 3), shape, dtype, p)
    want = td.functional.dropout(td.ones(*shape, dtype=dtype), p, generator=at(7, 3)).numpy()
    assert (mask.shape, mask.dtype) == (want.shape, want.dtype)
    assert mask.tobytes() == want.tobytes()


def test_masks_of_images_lie_channels_last(launcher: Any) -> None:
    mask = random.dropout_mask(np, random.state_words(0, 0), (2, 3, 4, 5), np.float32, 0.5)
    assert td.testing.memory_order(mask) == (0, 2, 3, 1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_long_draw_has_the_moments_of_its_distribution(dtype: Any, launcher: Any) -> None:
    x = random.normal(np, random.state_words(1, 0), (20_001,), dtype)
    assert abs(x.mean()) < 0.03
    assert abs(x.std() - 1) < 0.02
