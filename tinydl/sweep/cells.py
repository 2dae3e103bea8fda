"""One network with one choice of values: trained on four fifths of the training images, judged on the others."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

from tinydl.autograd import no_grad
from tinydl.data import train_validation_test_split
from tinydl.data.images import Images, ImageSet
from tinydl.data.loader import DataLoader
from tinydl.metrics import accuracy
from tinydl.ops.shape import cat
from tinydl.random import Generator
from tinydl.recipes.recipe import Options
from tinydl.recipes.training import Clock, callbacks, count
from tinydl.serialization import FileError, write_atomically
from tinydl.sweep.plan import NETWORKS, Plan, Values, said
from tinydl.tensor import tensor
from tinydl.train.checkpoint import load_model

RESULT = "cell.json"
VALIDATION = 0.2  # of the training images


@dataclass(frozen=True)
class Cell:
    """What came of one choice of values. Without an accuracy, training diverged."""

    network: str
    values: Values
    validation_accuracy: float | None
    validation_loss: float | None
    parameters: int
    seconds: float

    @property
    def rank(self) -> tuple[float, float]:
        """The larger the better: accuracy, and among equal ones the smaller loss."""
        if self.validation_accuracy is None or self.validation_loss is None:
            return -math.inf, -math.inf
        return self.validation_accuracy, -self.validation_loss


def divided(plan: Plan, data: ImageSet) -> tuple[Images, Images]:
    """Training and validation images: the same for every cell."""
    images, labels = data.train
    parts = train_validation_test_split(
        images,
        labels,
        fractions=(1 - VALIDATION, VALIDATION, 0.0),
        stratify=labels,
        generator=Generator(plan.seed).fork(),
    )
    train, validation = (Images(*part) for part in parts[:2])
    return train, validation


def train(options: Options, plan: Plan, network: str, values: Values, parts: tuple[Images, Images]) -> Cell:
    """Trains one cell in the folder `options.out`, or goes on with it, and writes its result at the end.

    Weights, batches and augmentation begin with the same seed in every cell.
    """
    settings = NETWORKS[network].settings(plan.data, values)
    generator = Generator(plan.seed)
    train, validation = ((settings.prepare(part.images), part.labels) for part in parts)
    loader = DataLoader(
        train,
        options.batch_size,
        shuffle=True,
        generator=generator.fork(),
        transform=settings.transform,
        device=options.device,
    )
    clock = Clock()
    trainer = settings.trainer(
        loader,
        options.epochs,
        generator.fork(),
        callbacks=callbacks(options, clock),
        progress=options.progress,
    )
    found: dict[str, float | None]
    try:
        history = trainer.fit(
            loader,
            DataLoader(validation, 250, device=options.device),
            epochs=options.epochs,
            resume=options.resume_from(),
        )
        history.to_csv(options.out / "history.csv")
        found = {name: history[name][-1] for name in ("validation_accuracy", "validation_loss")}
    except FloatingPointError:
        found = {"validation_accuracy": None, "validation_loss": None}
    if not all(value is not None and math.isfinite(value) for value in found.values()):
        found = dict.fromkeys(found)
    cell = Cell(network, values, **found, parameters=count(trainer.model), seconds=round(clock.seconds, 2))
    write_atomically(options.out / RESULT, (json.dumps(asdict(cell), indent=2) + "\n").encode())
    return cell


def read(path: Path, network: str, values: Values) -> Cell:
    """The result of a cell that was trained before. Raises FileError, a ValueError, for a damaged file."""
    try:
        facts = json.loads(path.read_bytes())
        cell = Cell(**facts)
        if (cell.network, cell.values) != (network, values):
            raise ValueError(f"it tells of {cell.network} with {said(cell.values)}")
        accuracy, loss = cell.validation_accuracy, cell.validation_loss
        if (accuracy is None) != (loss is None):
            raise ValueError("half of its figures are missing")
        if accuracy is not None and loss is not None and not (0 <= accuracy <= 1 and 0 <= loss < math.inf):
            raise ValueError(f"an accuracy of {accuracy} with a loss of {loss}")
        if not cell.parameters > 0 or not 0 <= cell.seconds < math.inf:
            raise ValueError(f"{cell.parameters} parameters in {cell.seconds} seconds")
    except (ValueError, TypeError, AttributeError, LookupError, RecursionError) as error:
        raise FileError(f"{path}: damaged ({error}); delete it, and --resume trains this again") from error
    return cell


def test_accuracy(options: Options, plan: Plan, cell: Cell, test: Images) -> float:
    """The accuracy of a cell's network, as it was at the end of its training, on images that it has never seen."""
    settings = NETWORKS[cell.network].settings(plan.data, cell.values)
    model = settings.build(Generator(plan.seed))
    load_model(options.checkpoint, model)
    model.to(options.device).eval()
    x = settings.prepare(test.images)
    with no_grad():
        scores = [
            model(tensor(x[i : i + 250], device=options.device)).to("cpu") for i in range(0, len(x), 250)
        ]
    return float(accuracy(cat(scores), tensor(test.labels, device="cpu")))
