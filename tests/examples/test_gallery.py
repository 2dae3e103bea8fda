"""The gallery: what a network learned becomes a page, and the page that is kept shows every network."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from examples import gallery
from examples.gallery import ENTRIES, PAGE, Entry, Example
from tinydl.recipes import RECIPES


def test_a_network_becomes_a_part_of_the_page(tmp_path: Path) -> None:
    entry = Entry("perceptron", ("xor.png",), "XOR: {xor_accuracy:.0%}.")
    gallery.train(entry, tmp_path / "runs")
    gallery.keep(entry, tmp_path / "runs", tmp_path / "gallery")
    metrics = json.loads((tmp_path / "gallery" / "perceptron.json").read_text())
    text = gallery.page((entry, Entry("lenet", (), "not trained")), tmp_path / "gallery")
    assert f"XOR: {metrics['xor_accuracy']:.0%}." in text
    assert "not trained" not in text
    assert "`tinydl train perceptron`" in text
    (shown,) = re.findall(r"!\[.*\]\((.*)\)", text)
    with Image.open(tmp_path / shown) as picture, Image.open(tmp_path / "runs/xor.png") as whole:
        assert picture.width == min(gallery.WIDTH, whole.width)
        assert picture.mode == "P"


def test_a_network_that_can_not_be_trained_ends_the_gallery(tmp_path: Path) -> None:
    (tmp_path / "runs").touch()
    with pytest.raises(SystemExit, match="perceptron was not trained"):
        gallery.train(Entry("perceptron", (), ""), tmp_path / "runs" / "perceptron")


def test_an_example_becomes_a_part_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = 'from PIL import Image\nImage.new("RGB", (1000, 10), "red").save("stripe.png")'
    (tmp_path / "stripe.py").write_text(script)
    monkeypatch.setattr(gallery, "PAGE", tmp_path / "gallery.md")
    entry = Example("stripe", ("stripe.png",), "It is red.", title="a stripe")
    gallery.train(entry, tmp_path / "runs" / "stripe")
    gallery.keep(entry, tmp_path / "runs" / "stripe", tmp_path / "gallery")
    text = gallery.page((entry,), tmp_path / "gallery")
    assert "## A stripe\n\nIt is red.\n\n`python examples/stripe.py`, " in text
    (shown,) = re.findall(r"!\[.*\]\((.*)\)", text)
    with Image.open(tmp_path / shown) as picture:
        assert (picture.size, picture.format) == ((gallery.WIDTH, 8), "JPEG")  # photos need many colours
    (tmp_path / "stripe.py").write_text("raise SystemExit(1)")
    with pytest.raises(subprocess.CalledProcessError):
        gallery.train(entry, tmp_path / "runs" / "stripe")


def test_the_page_shows_every_network_with_its_pictures() -> None:
    for entry in ENTRIES:
        if isinstance(entry, Example):
            assert (PAGE.parent / f"{entry.name}.py").is_file()
        else:
            assert entry.name in RECIPES
    assert PAGE.read_text(encoding="utf-8") == gallery.page(ENTRIES, PAGE.with_suffix(""))
    for entry in ENTRIES:
        assert PAGE.with_suffix("").joinpath(f"{entry.name}.json").is_file()
        for name in entry.pictures:
            with Image.open(PAGE.with_suffix("") / gallery.kept_name(entry, name)) as picture:
                assert picture.width <= gallery.WIDTH


def test_all_networks_are_trained_unless_some_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[str] = []
    monkeypatch.setattr(gallery, "train", lambda entry, out: trained.append(entry.name))
    monkeypatch.setattr(gallery, "keep", lambda entry, out, folder: None)
    monkeypatch.setattr(gallery, "PAGE", tmp_path / "gallery.md")
    gallery.main(["xor", "lenet"])
    assert trained == ["xor", "lenet"]
    gallery.main([])
    assert trained[2:] == [entry.name for entry in ENTRIES]
    with pytest.raises(SystemExit):
        gallery.main(["nothing"])
