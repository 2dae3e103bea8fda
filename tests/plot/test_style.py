from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image

import tinydl as td
from tinydl.plot import style


def test_no_pyplot_and_no_matplotlib_before_the_first_picture(tmp_path: Path) -> None:
    code = """
import sys
import tinydl as td
import tinydl.plot as plot
assert not any(name.startswith("matplotlib") for name in sys.modules), "matplotlib is loaded"
import matplotlib
before = {key: matplotlib.rcParams._get(key) for key in matplotlib.rcParams}
import numpy as np
x = td.tensor([1.0, 2.0], requires_grad=True)
net = td.nn.Sequential(td.nn.Conv2d(1, 2, kernel_size=3), td.nn.Flatten(), td.nn.Dense(18, 3))
plot.curves({"loss": [1.0, 0.5], "lr": [0.1, 0.001]}, path="a.png")
plot.confusion([[1, 2], [3, 4]], path="b.png")
plot.filters(np.ones((2, 1, 3, 3)), path="c.png")
plot.feature_maps(net, np.ones((1, 5, 5), np.float32), path="d.png")
plot.images(np.ones((2, 4, 4)), path="e.png")
plot.mistakes(np.ones((1, 4, 4)), [[0.2, 0.8]], [0], path="f.png")
plot.latent([[0.0, 1.0]], [0], path="g.png")
plot.graph((x * x).sum(), path="h.png")
assert "matplotlib.pyplot" not in sys.modules, "pyplot is loaded"
after = {key: matplotlib.rcParams._get(key) for key in matplotlib.rcParams}
assert before == after, "settings have changed"
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(td.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(list(tmp_path.glob("*.png"))) == 8


def test_saves_a_png_of_the_figures_size(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    with style.sheet(4, 2, path, "Title", arranged=False) as figure:
        style.place(figure, 1, 0.5, 2, 1)
        assert not path.exists()
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        assert picture.size == (600, 300)
    assert [p.name for p in tmp_path.iterdir()] == ["picture.png"]
    assert path.stat().st_mode & 0o444 == 0o444 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_a_failure_leaves_the_earlier_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(b"before")
    with pytest.raises(ZeroDivisionError), style.sheet(4, 2, path, arranged=False):
        raise ZeroDivisionError
    assert path.read_bytes() == b"before"

    def full(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="disk full"), style.sheet(4, 2, path, arranged=False):
        pass
    assert path.read_bytes() == b"before"
    assert [p.name for p in tmp_path.iterdir()] == ["picture.png"]


def test_refuses_a_path_of_another_kind_before_drawing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"expected a path that ends in \.png, got '.*a\.svg'"):
        td.plot.images(np.ones((1, 2, 2)), path=tmp_path / "a.svg")
    assert list(tmp_path.iterdir()) == []


def test_the_users_settings_come_back_even_after_an_error() -> None:
    def draw() -> None:
        with style.sheet(4, 2):
            assert mpl.rcParams["font.size"] == 9
            raise ZeroDivisionError

    with mpl.rc_context({"font.size": 33.0, "text.color": "pink"}):
        with pytest.raises(ZeroDivisionError):
            draw()
        assert mpl.rcParams["font.size"] == 33.0
        assert mpl.rcParams["text.color"] == "pink"


def test_places_are_inches_from_the_top_left() -> None:
    with style.sheet(8, 4, arranged=False) as figure:
        axes = style.place(figure, 2, 1, 4, 2)
        style.write(figure, 2, 1, "here")
    np.testing.assert_allclose(axes.get_position().bounds, [0.25, 0.25, 0.5, 0.5])
    np.testing.assert_allclose(figure.texts[0].get_position(), [0.25, 0.75])


def test_a_long_title_widens_the_sheet() -> None:
    title = "A title that has far more words than a small picture has room for"
    with style.sheet(2, 1, title=title, arranged=False) as figure:
        pass
    assert figure.get_suptitle() == title
    figure.draw_without_rendering()
    (text,) = figure.texts
    assert text.get_window_extent().x1 < figure.bbox.x1
    assert text.get_window_extent().y1 < figure.bbox.y1


@pytest.mark.parametrize(
    ("labels", "error", "match"),
    [
        ([0, 1], ValueError, r"who: expected labels of shape \(3,\), got \(2,\)"),
        ([0.0, 1.0, 2.0], TypeError, "who: expected labels that are integers, got float64"),
        ([0, -1, 2], ValueError, "who: expected labels of 0 or more, got -1"),
    ],
)
def test_labels(labels: list[float], error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        style.label_array("who", labels, 3)
    np.testing.assert_array_equal(style.label_array("who", td.tensor([2, 0, 1]), 3), [2, 0, 1])


def test_class_names() -> None:
    assert style.class_names("who", None, 3) == ["0", "1", "2"]
    assert style.class_names("who", ["a", "b"], 2) == ["a", "b"]
    with pytest.raises(ValueError, match="who: expected names of 3 classes, got 2"):
        style.class_names("who", ["a", "b"], 3)


def test_percent() -> None:
    assert [style.percent(x) for x in (0.0, 0.125, 0.3, 1.0)] == ["0%", "12.5%", "30%", "100%"]
