"""`python -m benchmarks.classifiers`: rows of a few images, the table, the chart, and PyTorch's twin of ResNet-20."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tinydl.data import fashion_mnist
from tinydl.data.images import Images, ImageSet
from tinydl.kernels.threads import cores
from tinydl.recipes import classify

classifiers: ModuleType = pytest.importorskip(
    "benchmarks.classifiers", reason="not started in the repository"
)
reports: ModuleType = pytest.importorskip("benchmarks.classifiers_report")


def few(name: str = "held-out part of Few") -> ImageSet:
    whole = fashion_mnist.load()
    train, test = (
        Images(part.images[:n], part.labels[:n]) for part, n in ((whole.train, 100), (whole.test, 20))
    )
    return replace(whole, source="found in /a/folder", train=train, test=test, test_name=name)


class Few:
    def load(self, source: str) -> ImageSet:
        assert source == "embedded"
        return few()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where results go; there is no full set, and each network is trained for an epoch on a few images."""
    monkeypatch.setattr(classifiers, "RESULTS", tmp_path)
    monkeypatch.setattr(classifiers.sources, "find_full", lambda full: None)
    monkeypatch.setitem(classify.DATA, "fashion_mnist", Few())
    for name in ("confusion", "mistakes"):  # pictures of the recipes, tested there
        monkeypatch.setattr(classify.plot, name, lambda *args, **options: None)
    short = {key: replace(network, epochs={"embedded": 2}) for key, network in classifiers.NETWORKS.items()}
    monkeypatch.setattr(classifiers, "NETWORKS", short)
    return tmp_path


def row(title: str, accuracy: float, adds: int, **others: Any) -> dict[str, Any]:
    return {
        "title": title,
        "command": f"python -m benchmarks.classifiers {title.lower()}",
        "test_accuracy": accuracy,
        "validation_accuracy": accuracy + 0.01,
        "test_name": "official test part of Fashion-MNIST",
        "baseline_nearest_neighbour_accuracy": 0.85,
        "parameters": 12_345,
        "multiply_adds": adds,
        "epochs": 8,
        "batch_size": 64,
        "seconds": 1234.5,
        "cpu_seconds": 987.6,
        "commit": "abc1234",
        "date": "2026-01-01",
        "versions": {"numpy": "2.4"},
        **others,
    }


def test_each_network_alone_and_the_table_keeps_the_others(folder: Path) -> None:
    runs = folder / "runs"
    classifiers.main(["mlp", "--runs", str(runs)])
    classifiers.main(["linear", "--runs", str(runs)])
    rows = json.loads((folder / "classifiers.json").read_text())
    assert list(rows) == ["linear", "mlp"]  # in the order of the table
    assert [r["parameters"] for r in rows.values()] == [7_850, 235_146]
    assert [r["multiply_adds"] for r in rows.values()] == [7_840, 234_752]
    assert all(r["epochs"] == 2 and r["cpu_seconds"] > 0 for r in rows.values())
    assert "/a/folder" not in (folder / "classifiers.json").read_text()
    text = (folder / "classifiers.md").read_text()
    assert "| MLP 784-256-128-10 |" in text
    assert "| linear (no hidden layer) |" in text
    with Image.open(folder / "classifiers.png") as picture:
        assert np.asarray(picture.convert("L")).std() > 5
    assert cores() >= 1


def test_what_had_ended_is_collected_and_not_trained_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = folder / "runs"
    classifiers.main(["linear", "--runs", str(runs)])
    first = json.loads((folder / "classifiers.json").read_text())
    (folder / "classifiers.json").unlink()
    step: Any = lambda *batch: pytest.fail("it was trained again")
    monkeypatch.setattr("tinydl.train.Trainer.step", step)
    classifiers.main(["linear", "--resume", "--runs", str(runs)])
    assert json.loads((folder / "classifiers.json").read_text()) == first


def test_rows_of_other_images_go() -> None:
    old = {"mlp": row("MLP", 0.8, 10, test_name="held-out part of Few"), "vgg": row("VGG", 0.9, 100)}
    new = row("LeNet", 0.9, 50)
    assert list(classifiers.merged(old, "lenet", new)) == ["lenet", "vgg"]


def test_an_unknown_network() -> None:
    with pytest.raises(SystemExit):
        classifiers.main(["googlenet"])


def test_the_table_and_pytorchs_seconds() -> None:
    rows = {"mlp": row("MLP", 0.885, 234_752), "resnet": row("ResNet-20", 0.9312, 30_821_248)}
    text = reports.table(rows, {})
    assert "| ResNet-20 | 93.12% | 94.12% | 12,345 | 30,821,248 | 8 | 64 | 1,234 | 988 | abc1234 |" in text
    assert "| nearest neighbour | 85.00% |" in text
    assert "PyTorch" not in text
    training = {"epochs": 8, "seconds": 1000.0, "cpu_seconds": 900.0, "test_accuracy": 0.93}
    steps = {key: {"seconds": 0.4, "cpu_seconds": 0.3} for key in ("pytorch", "tinydl")}
    text = reports.table(rows, {"training": training, "steps": {"steps": 20, **steps}})
    assert "| PyTorch | 1,000 | 900 | 93.00% |" in text
    assert "| tinydl | 1,234 | 988 | 93.12% |" in text
    assert "| tinydl | 400 | 300 |" in text
    other = reports.table(rows, {"training": {**training, "epochs": 3}})
    assert "| tinydl |" not in other  # other epochs are not comparable


def test_pytorchs_twin_takes_the_same_steps() -> None:
    torch = pytest.importorskip("torch")
    resnet_torch: ModuleType = pytest.importorskip("benchmarks.resnet_torch")
    twins = resnet_torch.Twins(few(), 3, 8)
    before = twins.tinydl.model.state_dict()
    for count, (x, y) in enumerate(twins.train):
        ours = twins.tinydl.step(x, y)["loss"]
        twins.tinydl.schedule.step()
        theirs = twins.pytorch_step(torch.from_numpy(x.numpy()), torch.from_numpy(y.numpy()))
        assert ours == pytest.approx(theirs, rel=1e-3)
        assert twins.optimizer.param_groups[0]["lr"] == pytest.approx(twins.tinydl.optimizer.lr)
        if count == 1:
            break
    after, torchs = twins.tinydl.model.state_dict(), twins.pytorch.state_dict()
    assert not np.array_equal(before["conv1.weight"], after["conv1.weight"])
    for name, value in after.items():
        np.testing.assert_allclose(value, torchs[name].numpy(), rtol=2e-2, atol=2e-3, err_msg=name)
    twins.tinydl.model.load_state_dict({name: value.numpy() for name, value in torchs.items()})
    assert twins.accuracy(twins.validation) == pytest.approx(
        twins.tinydl.evaluate(twins.validation)["accuracy"]
    )
