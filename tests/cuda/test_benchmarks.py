"""The scripts for a GPU, run on the one that is played here: their lines work, their checks pass; no time is judged."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest

import tinydl as td
from tinydl import device as devices

networks: ModuleType = pytest.importorskip("benchmarks.networks", reason="not started in the repository")
gpu_probe: ModuleType = pytest.importorskip("benchmarks.gpu_probe")
gpu_parity: ModuleType = pytest.importorskip("benchmarks.gpu_parity")
contender: ModuleType = pytest.importorskip("benchmarks.contender")
rows: ModuleType = pytest.importorskip("benchmarks.rows")


def test_the_questions_can_be_asked(cuda: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_probe, "REPEATED", 5)
    left_out = ("host_cost_of_pytorch", "copy_bandwidth")  # PyTorch's GPU; a gigabyte
    found = gpu_probe.ask_all(cuda, [q for q in gpu_probe.QUESTIONS if q.__name__ not in left_out])
    assert not [answers["failed"] for answers in found.values() if "failed" in answers]
    products = found["products_in_a_graph"]
    for name in ("float32 relative error", "float64 stack", "tf32 transposed"):
        assert products[name] < 1e-6
    assert found["random_numbers"]["uniform, the same bits"]
    assert found["random_numbers"]["captured, new and right"]


def test_parity(cuda: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_parity, "LIMITS", {"float32": 2e-3})
    found = {"mlp": gpu_parity.compare("mlp", cuda, 3)}
    assert gpu_parity.too_far(found) == []
    assert all(norms["gradients"] > 0 for norms in found["mlp"].values())  # other sums, other rounding


@pytest.mark.parametrize("name", ["tinydl", "tinydl-compile"])
def test_a_contender_makes_steps(played: Any, name: str) -> None:
    _, start = contender.ON_GPU[name](True)
    assert played.blas.tf32
    row = rows.ROWS["mlp"]
    arrays = row.initial()
    batch = [arrays.pop(f"batch.{i}") for i in range(2)]
    step = start(row, arrays, batch)
    losses = [step() for _ in range(4)]
    assert losses == sorted(losses, reverse=True)
    assert contender.Contender(start, "cuda").memory() == {"bytes": 24 + 1000 * (name == "tinydl-compile")}


@pytest.mark.parametrize("name", ["lenet-64", "autoencoder", "vae", "unet"])
def test_the_networks_of_the_table_can_be_captured(cuda: Any, name: str) -> None:
    """On two small pictures: captured steps are the eager ones to the bit, and the CPU's to rounding."""
    row = rows.ROWS[name]
    if name == "unet":
        row = replace(row, network=lambda library: networks.unet(library, base=2))
    arrays = row.initial()
    inputs = [a for n, a in arrays.items() if n.startswith("batch.")]
    weights = {n: a for n, a in arrays.items() if not n.startswith("batch.")}
    batch = [a[:2, :, :16, :16] if name == "unet" else a[:2] for a in inputs]
    losses = {}
    for way in ("cpu", "eager", "captured"):
        device = devices.cpu if way == "cpu" else cuda
        library = networks.tinydl()
        model = row.network(library)
        model.load_state_dict(weights)
        step = row.step(library, model.to(device), [td.tensor(a, device=device) for a in batch])
        run = td.compile(step, device=device) if way == "captured" else step
        losses[way] = [run().item() for _ in range(4)]
    assert losses["captured"] == losses["eager"]
    assert losses["captured"] == pytest.approx(losses["cpu"], rel=1e-3)
    assert len(set(losses["captured"])) == 4
