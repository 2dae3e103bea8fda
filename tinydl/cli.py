"""The command line: `tinydl train`, `sweep`, `predict`, `explain`, `removebg`, `data` and `info`."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from tinydl.data import catalogue
from tinydl.device import get_device
from tinydl.predict import bars, explain_digit, predict_digit
from tinydl.recipes import RECIPES, Options
from tinydl.recipes.classify import DATA
from tinydl.recipes.recipe import CHECKPOINT, versions, write_metrics
from tinydl.recipes.removebg import LEARNED_FROM
from tinydl.removebg import remove_background
from tinydl.sweep import DEFAULT_GRID, DEFAULT_NETWORKS, NETWORKS, WORDS, Plan, parse_values, sweep


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns the exit status: 0, 1 for what went wrong, 2 for what was asked wrongly."""
    if isinstance(sys.stdout, io.TextIOWrapper):  # names of files may hold what the terminal can't show
        sys.stdout.reconfigure(errors="backslashreplace")
    parser = _parser()
    asked = parser.parse_args(arguments)
    try:
        status: int = asked.command(asked)
        if sys.stdout is not None:
            sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # whoever reads the output has seen enough
        _forget_output()
        return 141  # as shells count a process that died of SIGPIPE
    except (OSError, ValueError, KeyError, RuntimeError, ArithmeticError, MemoryError) as error:
        print(f"tinydl: {_sentence(error)}", file=sys.stderr)
        _forget_output()
        return 1


def _sentence(error: Exception) -> str:
    if isinstance(error, KeyError) and error.args:  # str() would put it in quotes
        return str(error.args[0])
    if isinstance(error, OSError) and error.strerror:
        name = error.filename2 or error.filename
        return f"{name}: {error.strerror}" if name else error.strerror
    return str(error) or ("not enough memory" if isinstance(error, MemoryError) else type(error).__name__)


def _forget_output() -> None:
    """Keeps Python from complaining at its end when what was printed can't be written."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (AttributeError, ValueError):
        pass  # there is no output, or it is closed


def _train(asked: argparse.Namespace) -> int:
    if asked.list or asked.name is None:
        for recipe in RECIPES.values():
            print(f"{recipe.name:16} {recipe.summary}")
        return 0
    recipe = RECIPES[asked.name]
    if not recipe.images and (asked.data, asked.source) != ("mnist", "embedded"):
        raise ValueError(
            f"train {recipe.name}: it has its own data; --data and --source are for {_image_recipes()}"
        )
    options = Options(
        out=asked.out or Path("runs") / recipe.name,
        epochs=recipe.epochs if asked.epochs is None else asked.epochs,
        batch_size=recipe.batch_size if asked.batch_size is None else asked.batch_size,
        seed=asked.seed,
        data=asked.data,
        source=asked.source,
        device=get_device(asked.device).name,
        resume=asked.resume,
        progress=not asked.quiet and sys.stderr is not None,
    )
    before = _checkpoints(options.out)
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        if not os.access(options.out, os.W_OK):  # say so before an epoch has passed
            raise PermissionError(f"{options.out}: this folder can't be written to")
        metrics = recipe.run(options)
    except KeyboardInterrupt:
        saved = _checkpoints(options.out)
        if not saved or (saved == before and not options.resume):
            print("\nstopped before anything was saved", file=sys.stderr)
            return 130
        newest = max(saved, key=lambda path: saved[path])
        print(
            f"\nstopped; what was learned is in {newest}. To go on, give the same command with --resume",
            file=sys.stderr,
        )
        return 130
    write_metrics(options, metrics)
    print(f"{metrics['seconds']:.0f} s; numbers, curves and pictures are in {options.out}/:")
    print("  " + "  ".join(sorted(path.name for path in options.out.iterdir() if path.is_file())))
    return 0


def _sweep(asked: argparse.Namespace) -> int:
    if len({name for name, _ in asked.grid}) < len(asked.grid):
        raise ValueError("sweep: expected one --grid for each hyperparameter, got two for one")
    plan = Plan(
        networks=tuple(asked.networks) or DEFAULT_NETWORKS,
        grid=dict(asked.grid) or DEFAULT_GRID,
        epochs=asked.epochs,
        batch_size=asked.batch_size,
        seed=asked.seed,
        data=asked.data,
        source=asked.source,
    )
    try:
        sweep(
            plan,
            asked.out,
            resume=asked.resume,
            device=get_device(asked.device).name,
            progress=not asked.quiet and sys.stderr is not None,
        )
    except KeyboardInterrupt:
        print("\nstopped; to go on, give the same command with --resume", file=sys.stderr)
        return 130
    print(f"the table is {asked.out / 'results.md'} (and results.csv), the chart {asked.out / 'sweep.png'}")
    return 0


def _predict(asked: argparse.Namespace) -> int:
    probabilities = predict_digit(asked.run, asked.picture)
    print(f"{asked.picture} looks like a {int(probabilities.argmax())}")
    print(bars(probabilities, "█" if _can_show("█") else "#"))
    return 0


def _explain(asked: argparse.Namespace) -> int:
    out = asked.out or asked.run / f"explained_{asked.picture.stem}.png"
    probabilities = explain_digit(asked.run, asked.picture, out)
    print(f"{asked.picture} looks like a {int(probabilities.argmax())}; what that depends on is in {out}")
    return 0


def _removebg(asked: argparse.Namespace) -> int:
    kept = remove_background(asked.run, asked.picture, asked.out)
    print(f"{asked.out} keeps {kept:.0%} of {asked.picture}")
    print(f"The network has seen nothing but {LEARNED_FROM}; on other pictures it may well be wrong.")
    return 0


def _data(asked: argparse.Namespace) -> int:
    for row in catalogue():
        print(f"{row.name:14} {row.what}")
        print(f"{'':14} {row.count}; {row.size / 1024:.0f} KiB; {row.licence}; {row.source}")
        for what, value in row.baselines.items():
            print(f"{'':14} baseline: {what} {value:g}")
    return 0


def _info(asked: argparse.Namespace) -> int:
    for name, value in versions().items():
        print(f"{name:14} {value}")
    try:
        devices = f"cpu, {get_device('cuda')}"
    except RuntimeError as error:
        devices = f"cpu ({error})"
    print(f"{'devices':14} {devices}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tinydl", description="Train networks, and see what they learn.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    train = commands.add_parser("train", help="train a network on real data")
    train.add_argument("name", nargs="?", choices=list(RECIPES), metavar="NAME", help=", ".join(RECIPES))
    train.add_argument("--list", action="store_true", help="name the networks that can be trained")
    train.add_argument("--epochs", type=_positive, help="passes over the training data")
    train.add_argument("--batch-size", type=_positive, help="images in one step")
    train.add_argument(
        "--out", type=_folder, metavar="DIR", help="folder for the results (default runs/NAME)"
    )
    train.add_argument(
        "--resume", action="store_true", help="go on from the checkpoint in DIR, with the same options"
    )
    _add_choices(train, f"images for {_image_recipes()}")
    train.set_defaults(command=_train)

    sweep = commands.add_parser(
        "sweep",
        help="choose a hyperparameter of several networks on validation images",
        description="Train every network with every value, choose on validation images, and measure the chosen ones on "
        "the test part, once.",
    )
    sweep.add_argument(
        "networks",
        nargs="*",
        type=_network,
        metavar="NETWORK",
        help=f"{', '.join(NETWORKS)} (default {' '.join(DEFAULT_NETWORKS)})",
    )
    sweep.add_argument(
        "--grid",
        action="append",
        default=[],
        type=_values,
        metavar="NAME=VALUE,VALUE,...",
        help=f"a hyperparameter and the values to try: {', '.join(WORDS)}; may be given several times (default "
        + " ".join(f"{name}={','.join(f'{v:g}' for v in values)}" for name, values in DEFAULT_GRID.items())
        + ")",
    )
    sweep.add_argument("--epochs", type=_positive, default=10, help="of each training (default 10)")
    sweep.add_argument("--batch-size", type=_positive, default=64, help="images in one step (default 64)")
    sweep.add_argument("--out", type=_folder, default=Path("runs") / "sweep", metavar="DIR",
                       help="folder for the results (default runs/sweep)")  # fmt: skip
    sweep.add_argument(
        "--resume", action="store_true", help="go on with the sweep in DIR, with the same options"
    )
    _add_choices(sweep, "the images")
    sweep.set_defaults(command=_sweep)

    predict = commands.add_parser("predict", help="ask a trained LeNet-5 about a picture of a digit")
    predict.add_argument(
        "run", type=_folder, metavar="DIR", help="folder of the training, such as runs/lenet"
    )
    predict.add_argument("picture", type=Path, metavar="PICTURE", help="any picture of one digit")
    predict.set_defaults(command=_predict)

    explain = commands.add_parser("explain", help="show which pixels the answer to a picture depends on")
    explain.add_argument(
        "run", type=_folder, metavar="DIR", help="folder of the training, such as runs/lenet"
    )
    explain.add_argument("picture", type=Path, metavar="PICTURE", help="any picture of one digit")
    explain.add_argument(
        "-o", "--out", type=Path, metavar="FILE", help="the PNG to write (default DIR/explained_PICTURE.png)"
    )
    explain.set_defaults(command=_explain)

    removebg = commands.add_parser(
        "removebg",
        help="make the background of a picture transparent",
        description="Make the background of a picture transparent, with the network of `tinydl train removebg`. "
        f"It has learned from {LEARNED_FROM}.",
    )
    removebg.add_argument("picture", type=Path, metavar="PICTURE", help="a picture of one object")
    removebg.add_argument("-o", "--out", type=Path, required=True, metavar="OUT.png", help="the PNG to write")
    removebg.add_argument(
        "--run",
        type=_folder,
        default=Path("runs") / "removebg",
        metavar="DIR",
        help="folder of the training (default runs/removebg)",
    )
    removebg.set_defaults(command=_removebg)

    data = commands.add_parser("data", help="the data sets that come with tinydl")
    data.add_argument("what", choices=["list"])
    data.set_defaults(command=_data)

    info = commands.add_parser("info", help="versions and devices")
    info.set_defaults(command=_info)
    return parser


def _add_choices(command: argparse.ArgumentParser, images: str) -> None:
    """What every training may be told."""
    command.add_argument(
        "--seed", type=int, default=0, help="the same seed gives the same numbers (default 0)"
    )
    command.add_argument("--data", choices=list(DATA), default="mnist", help=images)
    command.add_argument(
        "--source",
        choices=["embedded", "full"],
        default="embedded",
        help="the set in this package, or all of it",
    )
    command.add_argument("--device", default="cpu", help="where to compute (default cpu)")
    command.add_argument("--quiet", action="store_true", help="no progress bar")


def _image_recipes() -> str:
    return ", ".join(recipe.name for recipe in RECIPES.values() if recipe.images)


def _checkpoints(out: Path) -> dict[Path, tuple[int, int]]:
    """The checkpoints of a run and of its parts, with what tells whether they were written since."""
    return {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in sorted(out.rglob(CHECKPOINT))}


def _can_show(text: str) -> bool:
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except (UnicodeError, LookupError):
        return False
    return True


def _folder(text: str) -> Path:
    if not text:
        raise argparse.ArgumentTypeError("expected the name of a folder, got nothing")
    return Path(text)


def _network(text: str) -> str:
    if text not in NETWORKS:
        raise argparse.ArgumentTypeError(f"unknown network {text!r}; there are {', '.join(NETWORKS)}")
    return text


def _values(text: str) -> tuple[str, tuple[float, ...]]:
    try:
        return parse_values(text)
    except ValueError as error:  # argparse would not say why
        raise argparse.ArgumentTypeError(str(error)) from None


def _positive(text: str) -> int:
    value = int(text) if text.isdecimal() else 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected an integer of 1 or more, got {text!r}")
    return value


if __name__ == "__main__":
    sys.exit(main())
