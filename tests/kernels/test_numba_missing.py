"""td.numba_kernels() where Numba is not installed."""

from __future__ import annotations

import sys

import pytest

import tinydl as td


def test_one_sentence_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("tinydl.kernels.numba_")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "numba", None)
    with (
        pytest.raises(RuntimeError, match=r'^numba_kernels: .* pip install "tinydl\[numba\]"'),
        td.numba_kernels(),
    ):
        pass
    assert td.relu(td.tensor([-1.0, 2.0])).numpy().tolist() == [0.0, 2.0]
