import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import tinydl as td
from tinydl.cli import main
from tinydl.recipes import RECIPES

PICTURES = [
    "confusion.png",
    "curves.png",
    "feature_maps.png",
    "filters.png",
    "gradient_flow.png",
    "mistakes.png",
]


@pytest.fixture(scope="module")
def lenet_run(tmp_path_factory):
    """Two epochs of LeNet-5 from the command line, in a process of its own."""
    out = tmp_path_factory.mktemp("lenet") / "run"
    command = [sys.executable, "-m", "tinydl.cli", "train", "lenet", "--epochs", "2", "--out", str(out)]
    return out, subprocess.run(command, capture_output=True, text=True, check=False)


def test_training_says_what_it_did_and_writes_everything(lenet_run):
    out, process = lenet_run
    assert process.returncode == 0, process.stderr
    assert "embedded MNIST-5k: 4,000 training images, 1,000 held out" in process.stdout
    assert "1-nearest-neighbour: 93.4%" in process.stdout
    assert str(out) in process.stdout
    assert "epoch 2" in process.stderr  # the progress bar
    files = sorted(path.name for path in out.iterdir())
    assert files == sorted([*PICTURES, "checkpoint.safetensors", "history.csv", "metrics.json"])
    for name in PICTURES:
        with Image.open(out / name) as picture:
            assert min(picture.size) > 200
            assert np.asarray(picture.convert("L")).std() > 5


def test_the_numbers_are_in_metrics_json(lenet_run):
    out, _ = lenet_run
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["test_accuracy"] > 0.8
    assert metrics["baseline_nearest_neighbour_accuracy"] == 0.934
    assert metrics["parameters"] == 61_706
    assert (metrics["epochs"], metrics["seed"], metrics["device"]) == (2, 0, "cpu")
    assert metrics["seconds"] > 0
    assert metrics["versions"]["numpy"] == np.__version__
    rows = (out / "history.csv").read_text().splitlines()
    assert len(rows) == 3
    assert rows[0].startswith("epoch,loss,accuracy")


def test_the_checkpoint_holds_the_network_that_was_measured(lenet_run):
    out, _ = lenet_run
    from tinydl.recipes.lenet import images
    from tinydl.train.checkpoint import load_model

    model = td.models.LeNet5(generator=1)
    load_model(out / "checkpoint.safetensors", model)
    test = td.data.mnist.load().test
    with td.no_grad():
        scores = model.eval()(td.tensor(images(test.images)))
    measured = json.loads((out / "metrics.json").read_text())["test_accuracy"]
    assert td.metrics.accuracy(scores, td.tensor(test.labels)) == measured


def test_one_seed_gives_the_same_bits_in_every_process_whatever_the_hash_seed(lenet_run, tmp_path):
    out, _ = lenet_run
    command = [sys.executable, "-m", "tinydl.cli", "train", "lenet", "--epochs", "2", "--out", str(tmp_path)]
    environment = {**os.environ, "PYTHONHASHSEED": "4242"}
    subprocess.run(command, check=True, env=environment, capture_output=True)
    ours, theirs = (td.load(folder / "checkpoint.safetensors") for folder in (out, tmp_path))
    assert ours.keys() == theirs.keys()
    assert all(ours[name].tobytes() == theirs[name].tobytes() for name in ours)


def test_a_run_can_be_resumed_and_ends_with_the_same_bits(lenet_run, tmp_path, monkeypatch):
    out, _ = lenet_run
    from tinydl.train import Trainer

    epoch = Trainer._epoch

    def interrupted(self, *arguments):
        if len(self.history.rows) == 1:
            raise KeyboardInterrupt
        return epoch(self, *arguments)

    arguments = ["train", "lenet", "--epochs", "2", "--out", str(tmp_path), "--quiet"]
    monkeypatch.setattr(Trainer, "_epoch", interrupted)
    assert main(arguments) == 130
    monkeypatch.undo()
    assert main([*arguments, "--resume"]) == 0
    ours, theirs = (td.load(folder / "checkpoint.safetensors") for folder in (out, tmp_path))
    assert all(ours[name].tobytes() == theirs[name].tobytes() for name in ours)


def test_an_interruption_says_how_to_go_on(tmp_path, monkeypatch, capsys):
    def stop(options):
        options.checkpoint.touch()
        raise KeyboardInterrupt

    recipe = RECIPES["lenet"]
    monkeypatch.setitem(RECIPES, "lenet", type(recipe)("lenet", "", 1, 1, stop))
    assert main(["train", "lenet", "--out", str(tmp_path)]) == 130
    assert "--resume" in capsys.readouterr().err


def test_errors_are_one_sentence_and_no_traceback(tmp_path, capsys):
    assert main(["train", "lenet", "--resume", "--out", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith("tinydl: --resume: there is no ")
    (tmp_path / "checkpoint.safetensors").write_bytes(b"rubbish")
    assert main(["train", "lenet", "--resume", "--out", str(tmp_path), "--quiet"]) == 1
    assert "not a safetensors file, or a damaged one" in capsys.readouterr().err
    assert main(["train", "lenet", "--device", "abacus"]) == 1
    assert "tinydl: device 'abacus'" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["train", "nothing"], ["train", "lenet", "--epochs", "0"], ["fly"], []]
)
def test_what_is_asked_wrongly_ends_with_status_2(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: tinydl" in capsys.readouterr().err


def test_the_lists(capsys):
    assert main(["train", "--list"]) == 0
    assert "lenet" in capsys.readouterr().out
    assert main(["data", "list"]) == 0
    listed = capsys.readouterr().out
    for name in ("mnist", "fashion_mnist", "nuclei", "photos", "breast_cancer", "wine", "digits8x8"):
        assert name in listed
    assert "CC BY-SA 3.0" in listed
    assert main(["info"]) == 0
    assert np.__version__ in capsys.readouterr().out


@pytest.mark.parametrize("name", ["xor", "mlp"])
def test_the_device_that_was_asked_for_trains_and_gives_the_same_bits(name, tmp_path, monkeypatch):
    """The strict device stands in for a GPU; here it computes what the CPU does."""
    used = set()
    step = td.optim.Adam.step

    def watched(self):
        used.add(self.params[0].device.name)
        step(self)

    monkeypatch.setattr(td.optim.Adam, "step", watched)
    for device in ("cpu", "strict"):
        used.clear()
        out = tmp_path / device
        size = "4" if name == "xor" else "900"
        options = ["--epochs", "1", "--batch-size", size, "--device", device, "--out", str(out), "--quiet"]
        assert main(["train", name, *options]) == 0
        assert used == {device}
    ours, theirs = (td.load(tmp_path / device / "checkpoint.safetensors") for device in ("cpu", "strict"))
    assert all(ours[key].tobytes() == theirs[key].tobytes() for key in ours)
    assert main(["train", "perceptron", "--device", "strict", "--out", str(tmp_path / "p")]) == 1
