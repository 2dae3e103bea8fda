"""The sparse autoencoder: its penalties by their formulas, and that they make the code sparse."""

from __future__ import annotations

import math

import numpy as np
import pytest

import tinydl as td
from tinydl import nn
from tinydl.models import SparseAutoencoder
from tinydl.models.sparse_autoencoder import kl_sparsity, l1
from tinydl.testing import gradcheck
from tinydl.testing.point import host

CODES = np.random.default_rng(0).uniform(0.05, 0.95, (5, 3))


def test_it_returns_reconstruction_and_code(device: str) -> None:
    model = SparseAutoencoder((12, 7), generator=0).to(device)
    x = td.rand(4, 1, 3, 4, generator=0, device=device)
    rebuilt, codes = model(x)
    assert (rebuilt.shape, codes.shape) == ((4, 1, 3, 4), (4, 7))
    assert (host(codes) == host(model.encode(x))).all()
    assert (host(rebuilt) == host(model.decode(codes)).reshape(4, 1, 3, 4)).all()
    assert ((host(codes) > 0) & (host(codes) < 1)).all()


def test_penalties_are_their_formulas(device: str) -> None:
    codes = td.tensor(CODES - 0.5, device=device)
    assert l1(codes).item() == pytest.approx(np.abs(CODES - 0.5).sum() / 5)
    want = 0.0
    for r in CODES.mean(axis=0):
        want += 0.1 * math.log(0.1 / r) + 0.9 * math.log(0.9 / (1 - r))
    assert kl_sparsity(td.tensor(CODES, device=device), rho=0.1).item() == pytest.approx(want)


def test_the_kl_penalty_is_0_where_each_unit_has_the_mean_that_is_asked_for() -> None:
    codes = np.array([[0.1, 0.2], [0.3, 0.2]])
    assert kl_sparsity(td.tensor(codes), rho=0.2).item() == pytest.approx(0, abs=1e-12)
    assert kl_sparsity(td.tensor(codes + 0.01), rho=0.2).item() > 0
    assert kl_sparsity(td.tensor(codes - 0.01), rho=0.2).item() > 0


def test_gradients() -> None:
    gradcheck(l1, [td.tensor(CODES, requires_grad=True)])
    gradcheck(kl_sparsity, [td.tensor(CODES, requires_grad=True)])


@pytest.mark.parametrize("rho", [0.0, 1.0, -0.1])
def test_a_share_that_is_none_is_refused(rho: float) -> None:
    with pytest.raises(ValueError, match=f"kl_sparsity: rho must lie between 0 and 1, got {rho}"):
        kl_sparsity(td.tensor(CODES), rho)


def test_dropout_leaves_half_of_the_code_out_while_training() -> None:
    half = nn.Dropout(0.5, generator=0)
    model = SparseAutoencoder((8, 200), code=lambda: nn.Sequential(nn.Sigmoid(), half), generator=0)
    x = td.rand(20, 8, generator=1)
    assert 0.45 < (model(x)[1].numpy() == 0).mean() < 0.55
    assert (model.eval()(x)[1].numpy() > 0).all()


def mean_activation(penalty: str) -> float:
    x = td.data.to_float(td.data.mnist.load().train.images[:256])
    model = SparseAutoencoder((784, 32), generator=0)
    optimizer = td.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(15):
        for start in range(0, 256, 64):
            batch = td.tensor(x[start : start + 64])
            rebuilt, codes = model(batch)
            loss = td.losses.mse(rebuilt, batch, reduction="sum") / 64
            loss = loss + {"none": 0.0, "l1": l1(codes), "kl": kl_sparsity(codes)}[penalty]
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return model(td.tensor(x))[1].mean().item()


def test_penalties_make_the_code_sparse() -> None:
    free = mean_activation("none")
    assert free > 0.3
    assert mean_activation("l1") < free / 1.5
    assert mean_activation("kl") < free / 1.5
