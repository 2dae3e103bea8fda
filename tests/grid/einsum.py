"""Rows of tinydl/ops/einsum.py."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
from hypothesis import strategies as st

import tinydl as td
from grid.case import Case, Row
from tinydl.testing import strategies


def loops(subscripts: str, *arrays: Any) -> Any:
    """The sum of products, one term for each choice of an index for every letter."""
    left, _, to = subscripts.partition("->")
    if "->" not in subscripts:
        to = "".join(c for c in sorted(set(left)) if c != "," and left.count(c) == 1)
    names = left.split(",")
    lengths = {
        c: n for name, a in zip(names, arrays, strict=True) for c, n in zip(name, a.shape, strict=True)
    }
    out = np.zeros([lengths[c] for c in to])
    for choice in itertools.product(*(range(n) for n in lengths.values())):
        at = dict(zip(lengths, choice, strict=True))
        term = math.prod(float(a[tuple(at[c] for c in name)]) for name, a in zip(names, arrays, strict=True))
        out[tuple(at[c] for c in to)] += term
    return out


def einsum(data: Any) -> Case:
    """Subscripts with letters that repeat, stand alone or are kept, with and without "->"."""
    letters = "bcAa"
    lengths = {c: data.draw(st.sampled_from((1, 2, 3, 0) if c == "b" else (1, 2, 3))) for c in letters}
    names = [
        "".join(data.draw(st.lists(st.sampled_from(letters), max_size=3)))
        for _ in range(data.draw(st.integers(1, 3)))
    ]
    subscripts = ",".join(names)
    used = sorted(set("".join(names)))
    if data.draw(st.booleans()):
        kept = data.draw(st.permutations(used))[: data.draw(st.integers(0, len(used)))]
        subscripts += "->" + "".join(kept)
    inputs = [data.draw(strategies.tensors(tuple(lengths[c] for c in name))) for name in names]
    return Case(
        inputs,
        lambda *xs: td.einsum(subscripts, *xs),
        lambda *arrays: loops(subscripts, *arrays),
        torch=lambda torch, *xs: torch.einsum(subscripts, *xs),
        # autograd has no gradient of a diagonal
        autograd=None
        if any(len(set(name)) < len(name) for name in names)
        else lambda np, *xs: np.einsum(subscripts, *xs),
        # MyGrad fails on arrays of no elements
        mygrad=None if any(x.size == 0 for x in inputs) else lambda mg, *xs: mg.einsum(subscripts, *xs),
    )


ROWS: dict[str, Row] = {"einsum": einsum}
