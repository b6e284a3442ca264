"""Which values an axis shows, and whether as they are or logarithmically."""

from __future__ import annotations

import math
from collections.abc import Sequence

BEGINNING = 0.2
"""The first part of the steps, which most of the picture is not for."""

TRIMMED = 0.05
"""The share of the highest and of the lowest values behind it that may be single spikes."""

PRESSED, FREE = 0.3, 0.45
"""Where these take up less of the axis than this, it is asked whether a logarithmic one shows more; once it is logarithmic
by itself, it stays so until they take up that much."""

GAIN = 1.5
"""How much more of a logarithmic axis they must take up."""

LEAST_POINTS = 5
"""Below so many points nothing can be told."""

LEAST_RATIO = 4.0
"""How many times the least value the greatest must be: below, the two axes hardly differ."""

_REFERENCE_ROOM = 2.5
"""How many times as long the axis may become for a line that is only there to compare with."""


def shows_more_in_log(steps: Sequence[float], values: Sequence[float], *, is_log: bool = False) -> bool:
    """Whether a logarithmic axis shows more of a curve than an even one, as where it begins far above all the rest, or has
    a spike.

    Args:
        steps, values: the curve, evenly over its steps.
        is_log: whether the axis is logarithmic now.
    """
    points = [(step, value) for step, value in zip(steps, values, strict=True) if math.isfinite(value)]
    if len(points) < LEAST_POINTS:
        return False
    low, high = min(value for _, value in points), max(value for _, value in points)
    if low <= 0 or high < LEAST_RATIO * low:
        return False
    begin = points[0][0] + BEGINNING * (points[-1][0] - points[0][0])
    settled = sorted(value for step, value in points if step >= begin)
    cut = math.ceil(len(settled) * TRIMMED)
    bottom, top = settled[cut], settled[max(len(settled) - 1 - cut, cut)]
    even = (top - bottom) / (high - low)
    log = math.log(top / bottom) / math.log(high / low)
    return even < (FREE if is_log else PRESSED) and (is_log or log > GAIN * even)


def with_reference(low: float, high: float, reference: float | None) -> tuple[float, float]:
    """The range with a value to compare with in it, where that leaves enough room for the range itself."""
    if reference is None or not math.isfinite(reference):
        return low, high
    wider = min(low, reference), max(high, reference)
    room = max(high - low, 0.02 * abs(high))
    return wider if wider[1] - wider[0] <= _REFERENCE_ROOM * room else (low, high)
