from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

import tinydl as td


@pytest.fixture(scope="session")
def texts() -> Callable[[Figure], list[str]]:
    """All that is written in a figure and not empty."""

    def find(figure: Figure) -> list[str]:
        figure.draw_without_rendering()  # tick labels get their texts
        return [t.get_text() for t in figure.findobj(Text) if t.get_visible() and t.get_text()]

    return find


@pytest.fixture(scope="session")
def digits() -> tuple[np.ndarray, np.ndarray]:
    """Forty held-out digits, padded to 32x32, and their labels."""
    x, y = td.data.mnist.load().test
    return np.pad(td.data.to_float(x[:40]), ((0, 0), (0, 0), (2, 2), (2, 2))), y[:40]
