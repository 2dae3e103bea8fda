"""`no_sync()` catches what would make the host wait for the device, or keep a step out of a CUDA graph."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl.device import get_device
from tinydl.strict import SyncError, no_sync
from tinydl.strict.sync import syncing_is_forbidden

strict = get_device("strict")
xp = strict.xp
HOST = np.arange(6, dtype=np.float32)
X = strict.asarray(HOST)
ONE = strict.asarray(np.float32(1.0).reshape(()))
MASK = X > 2
T = td.tensor([1.0, 2.0], device="strict")

# The hidden waits of a training step, one a line.
SYNCS: dict[str, Callable[[], Any]] = {
    "if x": lambda: 1 if ONE else 2,
    "not x": lambda: not ONE,
    "max(x, y)": lambda: max(ONE, ONE),
    "x in": lambda: 1.0 in [ONE],
    "float(x)": lambda: float(ONE),
    "int(x)": lambda: int(ONE),
    "complex(x)": lambda: complex(ONE),
    "x.item()": lambda: ONE.item(),
    "x.tolist()": lambda: X.tolist(),
    "x.get()": lambda: X.get(),
    "x.tobytes()": lambda: X.tobytes(),
    "str(x)": lambda: str(X),
    "repr(x)": lambda: repr(X),
    "f-string": lambda: f"{ONE:.3f}",
    "str.format": lambda: "{}".format(ONE),  # noqa: UP032  # the method itself is tried
    "x[mask]": lambda: X[MASK],
    "x[mask] = values": lambda: X.copy().__setitem__(MASK, X[3:]),
    "nonzero": lambda: xp.nonzero(X),
    "x.nonzero()": lambda: X.nonzero(),
    "where(mask)": lambda: xp.where(MASK),
    "argwhere": lambda: xp.argwhere(X),
    "flatnonzero": lambda: xp.flatnonzero(X),
    "unique": lambda: xp.unique(X),
    "extract": lambda: xp.extract(MASK, X),
    "bincount": lambda: xp.bincount(X.astype("int64")),
    "repeat(counts)": lambda: xp.repeat(X, X.astype("int64")),
    "add.at(mask)": lambda: xp.add.at(X.copy(), MASK, 1.0),
    "asnumpy": lambda: xp.asnumpy(X),
    "to_host": lambda: strict.to_host(X),
    "asarray(host)": lambda: strict.asarray(HOST),
    "xp.asarray(list)": lambda: xp.asarray([1.0]),
    "xp.array(number)": lambda: xp.array(1.0),
    "tensor.item()": lambda: T.sum().item(),
    "float(tensor)": lambda: float(T.sum()),
    "if tensor": lambda: bool(T.sum() > 1),
    "repr(tensor)": lambda: repr(T),
    "tensor.to('cpu')": lambda: T.to("cpu"),
    "td.tensor": lambda: td.tensor(1.0, device="strict"),
    "tensor[mask]": lambda: T[T > 1],
    "tensor[list]": lambda: T[[0, 1]],
    "one_hot": lambda: td.functional.one_hot(T.astype("int64")),
    "accuracy": lambda: td.metrics.accuracy(T.reshape(2, 1), T.astype("int64")),
    "detect_anomaly": lambda: _watched(),
    "state_dict": lambda: td.nn.Dense(1, 1).to("strict").state_dict(),
}


def _watched() -> Any:
    with td.detect_anomaly():
        return T * 2


def test_there_are_enough() -> None:
    assert len(SYNCS) >= 8


@pytest.mark.parametrize("what", SYNCS)
def test_a_hidden_sync_is_caught(what: str) -> None:
    SYNCS[what]()  # outside it is allowed
    with no_sync(), pytest.raises(SyncError, match="the host would wait"):
        SYNCS[what]()


def test_what_stays_on_the_device_passes() -> None:
    host = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    with no_sync():
        y = xp.where(X > 2, X * 2.0, 0.0)
        y[MASK] = 1.0  # a number where the mask is true: no shape depends on it
        y += xp.arange(6, dtype="float32")
        total = y.sum(axis=0)
        parts = [float(n) for n in y.shape], list(y), xp.full(3, 2.0), y.astype("float32"), y.dtype, len(y)
    assert total.item() == 3.0 + sum(host)
    assert len(parts) == 6


def test_it_ends_nests_and_is_of_one_thread() -> None:
    seen = []
    with no_sync():
        with no_sync():
            pass
        assert syncing_is_forbidden()
        thread = threading.Thread(target=lambda: seen.append(float(ONE)))
        thread.start()
        thread.join()
    with pytest.raises(SyncError), no_sync():
        float(ONE)
    assert not syncing_is_forbidden()
    assert seen == [1.0]
