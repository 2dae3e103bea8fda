"""Any picture of a digit becomes what MNIST would have made of it; all else is one sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

import tinydl as td
from tinydl.cli import main
from tinydl.data.errors import DataError
from tinydl.models import MLP, LeNet5
from tinydl.ops.activation import softmax
from tinydl.predict import as_digit, bars, predict_digit
from tinydl.recipes.lenet import images
from tinydl.recipes.recipe import Options, SameRun
from tinydl.train import Trainer
from tinydl.train.checkpoint import save_checkpoint

Pixels = npt.NDArray[np.uint8]
Shade = npt.NDArray[np.float64]  # 1 where there is ink, 0 where there is none

COUNT = 200
BLACK, WHITE = (0, 0, 0), (255, 255, 255)


@pytest.fixture(scope="module")
def mnist() -> Any:
    return td.data.mnist.load()


@pytest.fixture(scope="module")
def nearest(mnist: Any) -> Callable[[Pixels], npt.NDArray[np.int64]]:
    """The label of the nearest training image: a classifier that needs no training."""
    known = mnist.train.images.reshape(-1, 784).astype(np.float32)
    lengths = (known**2).sum(1)

    def label(digits: Pixels) -> npt.NDArray[np.int64]:
        asked = digits.reshape(-1, 784).astype(np.float32)
        found: npt.NDArray[np.int64] = mnist.train.labels[(lengths - 2 * asked @ known.T).argmin(1)]
        return found

    return label


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a LeNet-5 that has learned nothing yet."""
    folder = tmp_path_factory.mktemp("run")
    model = LeNet5(generator=3)
    optimizer = td.optim.Adam(model.parameters())
    save_checkpoint(folder / "checkpoint.safetensors", Trainer(model, td.losses.cross_entropy, optimizer))
    return folder


def test_a_network_that_was_trained_on_clothes_is_not_asked_for_digits(run: Path, tmp_path: Path) -> None:
    model = LeNet5(generator=3)
    options = Options(tmp_path, epochs=1, batch_size=1, seed=0, data="fashion_mnist")
    trainer = Trainer(
        model, td.losses.cross_entropy, td.optim.Adam(model.parameters()), callbacks=[SameRun(options)]
    )
    save_checkpoint(options.checkpoint, trainer)
    Image.fromarray(np.zeros((28, 28), np.uint8)).save(tmp_path / "digit.png")
    with pytest.raises(ValueError, match="trained on fashion_mnist, which shows no digits"):
        predict_digit(tmp_path, tmp_path / "digit.png")


def larger(digit: Pixels, times: int) -> Shade:
    side = 28 * times
    return np.asarray(Image.fromarray(digit).resize((side, side), Image.Resampling.BICUBIC)) / 255.0


def painted(shade: Shade, ink: tuple[int, ...], ground: tuple[int, ...], noise: float = 0) -> Pixels:
    rgb = shade[..., None] * np.array(ink) + (1 - shade[..., None]) * np.array(ground)
    rgb = rgb + np.random.default_rng(0).normal(0, noise, rgb.shape) if noise else rgb
    return np.dstack([np.clip(rgb, 0, 255), np.full(shade.shape, 255)]).round().astype(np.uint8)


def on_glass(shade: Shade, ink: tuple[int, ...]) -> Pixels:
    colour = np.broadcast_to(np.array(ink), (*shade.shape, 3))
    return np.dstack([colour, shade * 255]).round().astype(np.uint8)


def placed(shade: Shade, height: int, width: int, top: int, left: int) -> Shade:
    out = np.zeros((height, width))
    out[top : top + len(shade), left : left + shade.shape[1]] = shade
    return out


def with_round_corners(picture: Pixels) -> Pixels:
    rows, columns = np.ogrid[: len(picture), : picture.shape[1]]
    for row in (20, len(picture) - 21):
        for column in (20, picture.shape[1] - 21):
            outside = (abs(rows - row) ** 2 + abs(columns - column) ** 2 > 400) & (
                abs(rows - (len(picture) - 1) / 2) > abs(row - (len(picture) - 1) / 2)
            ) & (abs(columns - (picture.shape[1] - 1) / 2) > abs(column - (picture.shape[1] - 1) / 2))  # fmt: skip
            near = (abs(rows - row) <= 21) & (abs(columns - column) <= 21)
            picture[outside & near] = 0
    return picture


def in_a_shadow(picture: Pixels) -> Pixels:
    light = np.linspace(1, 0.6, picture.shape[1])[:, None] * np.linspace(1, 0.9, len(picture))[:, None, None]
    return np.dstack([picture[..., :3] * light, picture[..., 3]]).round().astype(np.uint8)


WAYS: dict[str, Callable[[Pixels], Pixels]] = {
    "as it is": lambda d: painted(d / 255.0, WHITE, BLACK),
    "dark on light": lambda d: painted(d / 255.0, BLACK, WHITE),
    "3 times as large": lambda d: painted(larger(d, 3), WHITE, BLACK),
    "12 times as large": lambda d: painted(larger(d, 12), BLACK, WHITE),
    "off centre": lambda d: painted(placed(larger(d, 3), 300, 220, 190, 10), BLACK, WHITE),
    "in a wide picture": lambda d: painted(
        placed(larger(d, 3), 90, 600, 3, 400), (10, 10, 10), (230, 230, 230)
    ),
    "red on blue": lambda d: painted(np.pad(larger(d, 4), 20), (200, 30, 30), (30, 90, 200)),
    "red on a green as bright": lambda d: painted(np.pad(larger(d, 4), 20), (230, 60, 60), (60, 140, 60)),
    "black ink on glass": lambda d: on_glass(larger(d, 4), BLACK),
    "white ink on glass": lambda d: on_glass(larger(d, 4), WHITE),
    "grey ink on glass": lambda d: on_glass(larger(d, 4), (128, 128, 128)),
    "a card with round corners": lambda d: with_round_corners(
        painted(np.pad(larger(d, 4), 40), BLACK, WHITE)
    ),
    "faint": lambda d: painted(np.pad(larger(d, 4), 30), (200, 200, 200), WHITE),
    "noise": lambda d: painted(np.pad(larger(d, 4), 20), BLACK, WHITE, noise=20),
    "much noise": lambda d: painted(np.pad(larger(d, 4), 20), BLACK, WHITE, noise=40),
    "light from one side": lambda d: in_a_shadow(
        painted(np.pad(larger(d, 4), 20), (40, 40, 60), (235, 230, 220))
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_digit_is_recognised_however_it_is_shown(way: str, mnist: Any, nearest: Any) -> None:
    """Within two points of the accuracy on the images of MNIST themselves."""
    digits, labels = mnist.test.images[:COUNT], mnist.test.labels[:COUNT]
    seen = np.stack([as_digit(WAYS[way](digit)) for digit in digits])
    as_they_are = (nearest(digits) == labels).mean()
    assert as_they_are > 0.9
    assert (nearest(seen) == labels).mean() >= as_they_are - 0.02
    assert np.abs(seen.astype(float) - digits).mean() < 12  # of 255; a shift by one pixel makes it 20


@pytest.mark.parametrize(
    "way", ["as it is", "dark on light", "red on blue", "off centre", "white ink on glass"]
)
def test_it_is_shown_as_mnist_shows_it(way: str, mnist: Any) -> None:
    """White on black, in a box of 20x20, the centre of mass in the middle, pixel (14, 14)."""
    for digit in mnist.test.images[:20]:
        seen = as_digit(WAYS[way](digit))
        assert (seen.dtype, seen.shape) == (np.uint8, (28, 28))
        assert seen.max() == 255
        rows, columns = np.flatnonzero(seen.max(1)), np.flatnonzero(seen.max(0))
        assert 18 <= max(np.ptp(rows), np.ptp(columns)) + 1 <= 20
        for axis in (0, 1):
            mass = seen.sum(axis=1 - axis) / seen.sum()
            assert abs(mass @ np.arange(28) - 14) <= 0.5


def test_a_speck_of_dust_does_not_make_the_digit_small(mnist: Any) -> None:
    picture = painted(placed(larger(mnist.test.images[0], 6), 300, 300, 20, 20), BLACK, WHITE)
    clean = as_digit(picture)
    picture[290:292, 290:292, :3] = 0
    assert (as_digit(picture) == clean).all()


def test_a_thin_pen_is_as_white_as_a_thick_one() -> None:
    picture = np.full((500, 500, 4), 255, np.uint8)
    picture[50:450, 249:251, :3] = 0
    digit = as_digit(picture)
    assert digit.max() == 255
    assert (digit.max(1) > 200).sum() == 20


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (2, 2), (28, 28), (300, 7), (2000, 1500)])
@pytest.mark.parametrize(
    "colour", [(0, 0, 0, 255), (255, 255, 255, 255), (10, 200, 30, 255), (9, 9, 9, 0), (9, 9, 9, 99)]
)
def test_where_nothing_is_there_is_nothing_to_see(size: tuple[int, int], colour: tuple[int, ...]) -> None:
    pixels = np.broadcast_to(np.array(colour, np.uint8), (*size, 4))
    with pytest.raises(DataError, match=r"^p\.png: there is nothing to see"):
        as_digit(pixels, "p.png")


def test_a_picture_without_pixels() -> None:
    with pytest.raises(DataError, match=r"^p\.png: the picture has no pixels"):
        as_digit(np.zeros((0, 3, 4), np.uint8), "p.png")


def test_pictures_of_anything_give_an_image_or_nothing_to_see() -> None:
    rng = np.random.default_rng(0)
    for i in range(400):
        height, width = (
            rng.integers(1, 40, 2) if i % 4 else rng.integers(1, 1500, 2) ** (1, 0)[:: 1 - i % 8 // 2]
        )
        pixels = rng.integers(0, 256, (height, width, 4), np.uint8)
        if i % 3 == 0:
            pixels = pixels // 128 * 255
        if i % 5 == 0:
            pixels[..., 3] = 255
        before = pixels.copy()
        try:
            digit = as_digit(pixels)
        except DataError:
            continue
        assert (digit.dtype, digit.shape) == (np.uint8, (28, 28))
        assert digit.max() == 255
        assert (pixels == before).all()


# ---- the whole way


@pytest.fixture
def picture(tmp_path: Path, mnist: Any) -> Path:
    path = tmp_path / "digit.png"
    Image.fromarray(WAYS["red on blue"](mnist.test.images[0])).save(path)
    return path


def test_the_probabilities_are_those_of_the_network(run: Path, picture: Path, mnist: Any) -> None:
    probabilities = predict_digit(run, picture)
    assert (probabilities.dtype, probabilities.shape) == (np.float32, (10,))
    assert probabilities.sum() == pytest.approx(1, abs=1e-6)
    assert (probabilities >= 0).all()
    digit = as_digit(WAYS["red on blue"](mnist.test.images[0]))
    with td.no_grad():
        want = softmax(LeNet5(generator=3).eval()(td.tensor(images(digit[None])))).numpy()[0]
    assert (probabilities == want).all()
    assert (predict_digit(str(run), str(picture)) == probabilities).all()


def test_ten_bars_are_printed(run: Path, picture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", str(run), str(picture)]) == 0
    first, *lines = capsys.readouterr().out.splitlines()
    probabilities = predict_digit(run, picture)
    assert first == f"{picture} looks like a {probabilities.argmax()}"
    assert [line.split()[0] for line in lines] == list("0123456789")
    for line, p in zip(lines, probabilities, strict=True):
        assert line.count("█") == round(40 * float(p))
        assert line.endswith(f"{p:6.1%}")
        assert len(line) == 51


def test_bars_of_certain_and_impossible_classes() -> None:
    p = np.zeros(10, np.float32)
    p[3] = 1
    lines = bars(p).splitlines()
    assert lines[3] == "3  " + 40 * "█" + "  100.0%"
    assert lines[4] == "4  " + 40 * " " + "    0.0%"
    assert bars(p, "#").splitlines()[3] == "3  " + 40 * "#" + "  100.0%"


def fails(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What is said by a command that must end with status 1, one sentence and nothing else."""
    assert main(arguments) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("tinydl: ")
    assert err.count("\n") == 1
    return err


def test_what_can_not_be_answered_is_one_sentence(
    run: Path, picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere = str(tmp_path / "nowhere")
    said = fails(["predict", nowhere, str(picture)], capsys)
    assert (
        f"there is no {nowhere}/checkpoint.safetensors; train first: tinydl train lenet --out {nowhere}"
        in said
    )
    assert "nothing.png: No such file" in fails(["predict", str(run), str(tmp_path / "nothing.png")], capsys)
    assert "Is a directory" in fails(["predict", str(run), str(tmp_path)], capsys)
    assert "not a picture" in fails(["predict", str(run), __file__], capsys)
    Image.new("RGB", (9, 9)).save(tmp_path / "black.png")
    assert "nothing to see" in fails(["predict", str(run), str(tmp_path / "black.png")], capsys)


def test_a_checkpoint_that_does_not_fit_is_one_sentence(
    run: Path, picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "checkpoint.safetensors"
    ask = ["predict", str(tmp_path), str(picture)]
    whole = (run / "checkpoint.safetensors").read_bytes()
    for data in (b"", b"rubbish", whole[:-1], whole[: len(whole) // 2], whole + b"\0"):
        path.write_bytes(data)
        assert "not a safetensors file, or a damaged one" in fails(ask, capsys)
    td.save({"x": np.ones(3)}, path)
    assert "a safetensors file, but not a checkpoint" in fails(ask, capsys)

    def save(model: td.nn.Module) -> None:
        optimizer = td.optim.Adam(model.parameters())
        save_checkpoint(path, Trainer(model, td.losses.cross_entropy, optimizer))

    save(MLP((784, 8, 10), generator=0))
    said = fails(ask, capsys)
    for name in (
        str(path),
        "missing keys: c1.weight",
        "output.bias",
        "unexpected keys: 1.bias, 1.weight, 3.bias",
    ):
        assert name in said
    save(LeNet5(classes=7, generator=0))
    assert "output.weight: shape (7, 84), expected (10, 84); output.bias: shape (7,)" in fails(ask, capsys)
    broken = LeNet5(generator=0)
    broken.output.bias.data = td.full(10, float("nan"))
    save(broken)
    assert "the network answers with no numbers" in fails(ask, capsys)


# ---- why


def test_an_answer_is_explained_in_a_picture(run: Path, tmp_path: Path, mnist: Any, capsys: Any) -> None:
    picture = tmp_path / "seven.png"
    Image.fromarray(mnist.test.images[0]).resize((90, 90)).save(picture)
    capsys.readouterr()
    assert main(["explain", str(run), str(picture)]) == 0
    digit = int(predict_digit(run, picture).argmax())
    out = run / "explained_seven.png"
    assert capsys.readouterr().out == f"{picture} looks like a {digit}; what that depends on is in {out}\n"
    with Image.open(out) as drawn:
        assert drawn.width > 1000
        assert np.asarray(drawn.convert("L")).std() > 20
    assert main(["explain", str(run), str(picture), "-o", str(tmp_path / "why.png")]) == 0
    assert (tmp_path / "why.png").read_bytes() == out.read_bytes()  # the same noise


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["PICTURE", "-o", "why.jpg"], "expected a path that ends in .png"),
        (["nothing.png"], "nothing.png: No such file"),
    ],
)
def test_what_can_not_be_explained_is_one_sentence(
    arguments: list[str], said: str, run: Path, tmp_path: Path, mnist: Any, capsys: Any
) -> None:
    picture = tmp_path / "seven.png"
    Image.fromarray(mnist.test.images[0]).save(picture)
    arguments = [str(picture) if a == "PICTURE" else a for a in arguments]
    capsys.readouterr()
    assert main(["explain", str(run), *arguments]) == 1
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
