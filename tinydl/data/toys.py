"""Toy problems in the plane, small enough to see every point: tables of x, float32 (N, 2), and y, int64 (N,)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tinydl.data.tabular import Table
from tinydl.random import Generator, GeneratorLike, as_generator

_CORNERS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)


class ApplesOranges:
    """Two clusters that a straight line divides, for the perceptron (Rosenblatt, 1958)."""

    def load(self, n: int = 100, noise: float = 0.3, generator: GeneratorLike = None) -> Table:
        """`n` fruits by weight (in 100 g) and roughness (0 smooth, 1 rough), apples and oranges in turn.

        Each lies in a disc of radius `noise` around the centre of its class, c = (1.5, 0.25) for apples and
        (2, 0.75) for oranges, uniformly:  x = c + noise sqrt(u) (cos 2 pi v, sin 2 pi v),  u, v in [0, 1).
        Linearly separable for noise < 0.35, half the distance of the centres.

        Raises: ValueError for n < 2 or noise < 0.
        """
        _check("apples_oranges", n, noise)
        u, v = as_generator(generator).random((2, n), np.float64)
        y = _in_turn(n)
        centre = np.array([[1.5, 0.25], [2.0, 0.75]])[y]
        offset = np.stack([np.cos(2 * np.pi * v), np.sin(2 * np.pi * v)], axis=1)
        x = centre + noise * np.sqrt(u)[:, None] * offset
        return _table("apples_oranges", x, y, ("apple", "orange"), ("weight (100 g)", "roughness"))


class OrGate:
    """The logical or: linearly separable, so a perceptron learns it."""

    def load(self) -> Table:
        """The 4 rows of the truth table, float32 (4, 2):  y = a or b. Never raises."""
        return _gate("or_gate", np.array([0, 1, 1, 1]))


class Xor:
    """The exclusive or: no straight line divides it, so it takes a hidden layer (Minsky and Papert, 1969)."""

    def load(self) -> Table:
        """The 4 rows of the truth table, float32 (4, 2):  y = 1 if a and b differ, else 0. Never raises."""
        return _gate("xor", np.array([0, 1, 1, 0]))


class Moons:
    """Two half circles that reach into each other."""

    def load(self, n: int = 400, noise: float = 0.1, generator: GeneratorLike = None) -> Table:
        """`n` points, the classes in turn, at even steps of t from 0 to pi, plus normal noise times `noise`.

        Class 0:  (cos t, sin t).  Class 1:  (1 - cos t, 1/2 - sin t).

        Raises: ValueError for n < 2 or noise < 0.
        """
        _check("moons", n, noise)
        y, t = _in_turn(n), np.pi * _steps(n)
        upper = np.stack([np.cos(t), np.sin(t)], axis=1)
        lower = np.stack([1 - np.cos(t), 0.5 - np.sin(t)], axis=1)
        x = np.where(y[:, None] == 0, upper, lower)
        return _table("moons", _noisy(x, noise, as_generator(generator)), y, ("upper", "lower"), ("x", "y"))


class Spiral:
    """Two spiral arms wound around each other, hard for a network with one small hidden layer.

    After Lang and Witbrock (1988), whose arms have three turns.
    """

    def load(self, n: int = 400, noise: float = 0.02, generator: GeneratorLike = None) -> Table:
        """`n` points, the arms in turn, at even steps of r from 0 to 1, plus normal noise times `noise`.

        With the angle  a = 3 pi r + pi class  the point is  r (cos a, sin a):  one turn and a half.

        Raises: ValueError for n < 2 or noise < 0.
        """
        _check("spiral", n, noise)
        y, r = _in_turn(n), _steps(n)
        angle = 3 * np.pi * r + np.pi * y
        x = r[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        return _table("spiral", _noisy(x, noise, as_generator(generator)), y, ("first", "second"), ("x", "y"))


def _check(name: str, n: int, noise: float) -> None:
    if n < 2:
        raise ValueError(f"{name}.load: expected n of 2 or more, one point of each class at least, got {n}")
    if not noise >= 0:
        raise ValueError(f"{name}.load: expected noise of 0 or more, got {noise}")


def _in_turn(n: int) -> npt.NDArray[np.int64]:
    """The classes 0, 1, 0, 1, ...: any stretch of the rows is balanced."""
    return np.arange(n) % 2


def _steps(n: int) -> npt.NDArray[np.float64]:
    """For rows whose classes take turns: the place of each row within its class, from 0 to 1."""
    place = np.empty(n)
    for label in (0, 1):
        of_class = place[label::2]
        of_class[:] = np.linspace(0, 1, len(of_class))
    return place


def _noisy(x: npt.NDArray[np.float64], noise: float, generator: Generator) -> npt.NDArray[np.float64]:
    result: npt.NDArray[np.float64] = x + noise * generator.normal(x.shape, np.float64)
    return result


def _gate(name: str, y: npt.NDArray[np.int64]) -> Table:
    return _table(name, _CORNERS, y, ("false", "true"), ("a", "b"))


def _table(
    name: str,
    x: npt.NDArray[np.floating],
    y: npt.NDArray[np.int64],
    classes: tuple[str, ...],
    features: tuple[str, ...],
) -> Table:
    # astype copies: nobody who writes into a table writes into the next one
    return Table(
        name, x.astype(np.float32), y, classes, features, f"computed {name}: {len(y):,} points, 2 classes"
    )


apples_oranges = ApplesOranges()
or_gate = OrGate()
xor = Xor()
moons = Moons()
spiral = Spiral()
