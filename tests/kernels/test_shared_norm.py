"""Batch norm of shared batches: what threads that exchange their sums compute is what reference.py computes of all."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinydl.kernels import reference, shared_norm
from tinydl.shards import Shard


def together(bounds: list[int], compute: Any) -> list[Any]:
    """compute(shard) for all shares of a batch, each in a thread; `gather` waits for all."""
    n = len(bounds) - 1
    barrier, found = threading.Barrier(n), [None] * n

    def one(i: int, start: int, stop: int) -> Any:
        def gather(values: Any) -> Any:
            found[i] = values
            barrier.wait(10)
            result = np.stack(found)
            barrier.wait(10)
            return result

        return compute(Shard(start, stop, bounds[-1], gather))

    with ThreadPoolExecutor(n) as pool:
        return [f.result() for f in [pool.submit(one, i, *b) for i, b in enumerate(pairwise(bounds))]]


LAYOUTS = {
    "N, C, H, W": lambda x: x,
    "H, C, W, N": lambda x: np.ascontiguousarray(x.transpose(2, 1, 3, 0)).transpose(3, 1, 0, 2),
    "N, H, W, C": lambda x: np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("g_layout", LAYOUTS)
@pytest.mark.parametrize("affine", [True, False])
@given(
    seed=st.integers(0, 1000),
    shares=st.lists(st.integers(1, 3), min_size=2, max_size=3),
    places=st.integers(1, 4),
)
def test_it_is_the_norm_of_the_whole_batch(
    layout: str, g_layout: str, affine: bool, seed: int, shares: list[int], places: int
) -> None:
    random = np.random.default_rng(seed)
    bounds = [0, *np.cumsum(shares).tolist()]
    x, g = random.normal(3, 2, (2, bounds[-1], 3, 2, places))
    weight, bias = random.normal(size=(2, 3)) if affine else (None, None)
    out, mean, var = reference.batch_norm(np, x, weight, bias, 1e-5)
    dx, dw, db = reference.batch_norm_gradient(np, g, x, weight, mean, var, 1e-5)

    def compute(shard: Shard) -> Any:
        own = LAYOUTS[layout](x[shard.start : shard.stop])
        own_g = LAYOUTS[g_layout](g[shard.start : shard.stop])
        y, m, v = shared_norm.batch_norm(own, weight, bias, 1e-5, shard)
        return y, m, v, shared_norm.batch_norm_gradient(own_g, own, weight, m, v, 1e-5, shard)

    parts = together(bounds, compute)
    close = np.testing.assert_allclose
    close(np.concatenate([p[0] for p in parts]), out, rtol=1e-9, atol=1e-10)
    for _, m, v, _ in parts:
        close(m, mean, rtol=1e-12)
        close(v, var, rtol=1e-12)
    close(np.concatenate([p[3][0] for p in parts]), dx, rtol=1e-8, atol=1e-8)
    close(sum(p[3][1] for p in parts), dw, rtol=1e-9, atol=1e-9)
    close(sum(p[3][2] for p in parts), db, rtol=1e-9, atol=1e-9)


def test_rows_and_lines_have_channels_too() -> None:
    for shape in ((5, 3), (5, 3, 7)):
        x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
        out, _, _ = reference.batch_norm(np, x, None, None, 1e-5)
        parts = together(
            [0, 2, 5],
            lambda shard, x=x: shared_norm.batch_norm(x[shard.start : shard.stop], None, None, 1e-5, shard)[
                0
            ],
        )
        np.testing.assert_allclose(np.concatenate(parts), out, rtol=1e-5, atol=1e-6)
        assert parts[0].dtype == np.float32
