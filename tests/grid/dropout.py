"""Rows of tinydl/ops/dropout.py."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

import tinydl as td
from grid.case import Case, Row
from tinydl.ops import dropout as ops
from tinydl.testing import strategies


def dropped(a: Any, p: float, seed: int) -> Any:
    """Element by element, from the generator's numbers in logical order."""
    drawn = td.Generator(seed).random(a.shape).reshape(-1)
    kept = [
        0.0 if u < np.float32(p) else float(v) / (1 - p) for u, v in zip(drawn, a.reshape(-1), strict=True)
    ]
    return np.array(kept).reshape(a.shape)


def dropout(data: Any) -> Case:
    """The other libraries draw other numbers: they only get the mask that the reference finds."""
    x = data.draw(strategies.tensors(strategies.shapes()))
    p, seed = data.draw(st.sampled_from((0.5, 0.1, 0.8))), data.draw(st.integers(0, 99))
    mask = dropped(np.ones(x.shape), p, seed)
    return Case(
        [x],
        lambda x: ops.dropout(x, p, True, seed),
        lambda a: dropped(a, p, seed),
        torch=lambda torch, a: a * torch.tensor(mask),
        autograd=lambda np, a: a * mask,
        mygrad=lambda mg, a: a * mask,
    )


ROWS: dict[str, Row] = {"dropout": dropout}
