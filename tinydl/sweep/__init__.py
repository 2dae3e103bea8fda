"""Choosing a hyperparameter: several networks, a small grid of values, one look at the test part.

    plan.py       what is tried: networks and the grid of their hyperparameters
    cells.py      one network with one choice of values, trained and judged on validation images
    report.py     the table and the chart
    run.py        all cells, one after the other, and the test part at the end

The grid is `itertools.product`: a few values of one or two hyperparameters need no library; one pays where values
are drawn or trainings cut short. Each cell has a folder, so an interrupted sweep goes on where it stopped.
"""

from __future__ import annotations

from tinydl.sweep.plan import DEFAULT_GRID, DEFAULT_NETWORKS, NETWORKS, WORDS, Plan, parse_values
from tinydl.sweep.run import sweep

__all__ = ["DEFAULT_GRID", "DEFAULT_NETWORKS", "NETWORKS", "WORDS", "Plan", "parse_values", "sweep"]
