"""History: one row of numbers for each epoch."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from tinydl.plot import curves
from tinydl.serialization import write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class History(Mapping[str, list[float | None]]):
    """What training measured: a mapping from names ("loss", "validation_accuracy", ...) to a value per epoch.

    A name that an epoch did not measure has None there, else a float. `rows` holds the same epoch by epoch. Raises
    KeyError for a name that no epoch has.
    """

    def __init__(self, rows: list[dict[str, float]] | None = None) -> None:
        self.rows: list[dict[str, float]] = list(rows or [])

    def append(self, row: dict[str, float]) -> None:
        """Adds the numbers of one epoch. Never raises."""
        self.rows.append(row)

    def names(self) -> list[str]:
        """All names, in the order in which they first came."""
        return list(dict.fromkeys(name for row in self.rows for name in row))

    def __getitem__(self, name: str) -> list[float | None]:
        if name not in self.names():
            raise KeyError(f"History has no {name!r}; it has {', '.join(self.names()) or 'no epochs yet'}")
        return [row.get(name) for row in self.rows]

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __len__(self) -> int:
        return len(self.names())

    def __repr__(self) -> str:
        return f"History({len(self.rows)} epochs of {', '.join(self.names())})"

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Writes one line per epoch under a line of names. Raises OSError when the file can't be written."""
        text = io.StringIO()
        writer = csv.DictWriter(text, self.names(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        write_atomically(path, text.getvalue().encode())

    def plot(self, path: str | os.PathLike[str] | None = None) -> Figure:
        """The curves as a picture, saved as PNG when `path` is given. Raises ValueError before the first epoch."""
        return curves(self, path=path)
