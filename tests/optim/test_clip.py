"""Limits on gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tinydl as td
from tinydl.optim import clip_grad_norm_
from tinydl.testing.point import host


def leaves(device: str, *grads: Any, dtype: str = "float64") -> list[td.Tensor]:
    """Parameters with these gradients."""
    out = []
    for g in grads:
        p = td.zeros(np.shape(g), requires_grad=True, dtype=dtype, device=device)
        p.grad = td.tensor(np.asarray(g, dtype), device=device)
        out.append(p)
    return out


@pytest.mark.parametrize("limit", [0.5, 4.99, 5.0, 5.01, 100.0, 1e-9])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_norm_and_gradients_are_torchs(limit: float, dtype: str, device: str, torch: Any) -> None:
    grads = [np.array([[1.0, 2.0], [2.0, 0.0]]), np.array(4.0), np.zeros((0, 3))]
    ours = leaves(device, *grads, dtype=dtype)
    theirs = [torch.zeros(np.shape(g), dtype=getattr(torch, dtype), requires_grad=True) for g in grads]
    for p, g in zip(theirs, grads, strict=True):
        p.grad = torch.tensor(g.astype(dtype))
    norm, expected = clip_grad_norm_(ours, limit), torch.nn.utils.clip_grad_norm_(theirs, limit)
    tolerance = 1e-6 if dtype == "float32" else 1e-13
    assert norm.item() == pytest.approx(float(expected), rel=tolerance)
    assert (norm.dtype, norm.device) == (dtype, device)
    for p, q in zip(ours, theirs, strict=True):
        assert p.grad is not None
        assert p.grad.dtype == dtype
        np.testing.assert_allclose(host(p.grad), q.grad.numpy(), rtol=tolerance)


def test_small_gradients_are_left_as_they_are(device: str) -> None:
    (p,) = leaves(device, [0.3, 0.4])
    assert clip_grad_norm_([p], 1.0).item() == 0.5
    assert p.grad is not None
    assert host(p.grad).tolist() == [0.3, 0.4]


def test_parameters_without_gradients_do_not_count(device: str) -> None:
    (p,) = leaves(device, [3.0, 4.0])
    q = td.ones(3, requires_grad=True, device=device)
    assert clip_grad_norm_((x for x in [q, p]), 1.0).item() == 5.0
    assert q.grad is None
    with pytest.raises(ValueError, match="no parameter has a gradient"):
        clip_grad_norm_([q], 1.0)
    with pytest.raises(ValueError, match="no parameter has a gradient"):
        clip_grad_norm_([], 1.0)


def test_one_tensor_alone(device: str) -> None:
    (p,) = leaves(device, [3.0, 4.0])
    clip_grad_norm_(p, 1.0)
    assert p.grad is not None
    np.testing.assert_allclose(host(p.grad), [0.6, 0.8], rtol=1e-6)


def test_zero_gradients_stay_zero(device: str) -> None:
    (p,) = leaves(device, [0.0, 0.0])
    assert clip_grad_norm_([p], 1.0).item() == 0.0
    assert p.grad is not None
    assert host(p.grad).tolist() == [0.0, 0.0]


def test_gradients_on_two_devices_are_refused_and_stay() -> None:
    params = [*leaves("cpu", [3.0, 4.0]), *leaves("strict", [3.0, 4.0])]
    for order, sentence in ((1, "on cpu and strict"), (-1, "on strict and cpu")):
        with pytest.raises(RuntimeError, match=f"^clip_grad_norm_: gradients {sentence}; "):
            clip_grad_norm_(params[::order], 1.0)
    for p in params:
        assert p.grad is not None
        assert host(p.grad).tolist() == [3.0, 4.0]
