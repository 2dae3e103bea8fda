import pytest

from tinydl.data import DataLoader, mnist, nearest_neighbour_accuracy
from tinydl.random import Generator
from tinydl.recipes.lenet import SETTINGS, images


def test_digits_get_a_black_border_and_lie_between_0_and_1():
    digits = mnist.load().test.images[:3]
    x = images(digits)
    assert (x.shape, str(x.dtype)) == ((3, 1, 32, 32), "float32")
    assert (x[:, 0, 2:-2, 2:-2] * 255 == digits).all()
    assert x.sum() == pytest.approx(digits.sum() / 255, rel=1e-5)


def test_a_few_epochs_beat_the_nearest_neighbour_on_digits_never_seen():
    """The claim of the full run (25 epochs and more) stands in benchmarks/results; this one takes seconds."""
    train, test = mnist.load()
    generator = Generator(0)
    inputs = (images(train.images), train.labels)
    loader = DataLoader(inputs, 64, shuffle=True, generator=generator.fork(), transform=SETTINGS.transform)
    trainer = SETTINGS.trainer(loader, 6, generator.fork(), progress=False)
    trainer.fit(loader, epochs=6)
    measured = trainer.evaluate(DataLoader((images(test.images), test.labels), 250))
    assert measured["accuracy"] > nearest_neighbour_accuracy(train, test)
