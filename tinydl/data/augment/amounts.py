"""How far a change goes: the range that the amount for each image is drawn from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

from tinydl.data.transform import Array

# A number to both sides of no change, or the least and the greatest as a pair.
Amount: TypeAlias = float | Sequence[float]


def interval(
    who: str, amount: Amount, centre: float = 0.0, lowest: float = -math.inf, highest: float = math.inf
) -> tuple[float, float]:
    """From where to where an amount is drawn: centre - a to centre + a, or a pair as it is.

    Raises: ValueError for a negative number, a pair in the wrong order, and bounds outside [lowest, highest].
    """
    low, high = (centre - amount, centre + amount) if isinstance(amount, int | float) else amount
    if not (lowest <= low <= high <= highest and math.isfinite(high - low)):
        limits = "" if lowest == -math.inf else f" within [{lowest:g}, {highest:g}]"
        raise ValueError(
            f"{who}: expected a number of 0 or more, or a pair (least, greatest){limits}; "
            f"got {amount}, which is from {low:g} to {high:g}"
        )
    return float(low), float(high)


def per_image(amounts: Array, images: Array) -> Array:
    """Amounts (N,) as (N, 1, 1, 1) in the dtype of the images: one for all pixels of an image."""
    return amounts.astype(images.dtype).reshape(-1, 1, 1, 1)
