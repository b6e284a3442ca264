"""Which values an axis shows, and whether as they are or logarithmically."""

from __future__ import annotations

import math
from collections.abc import Sequence

MIDDLE = 0.8
"""The share of the values that most of the picture is for."""

PRESSED, FREE = 0.3, 0.45
"""Where these take up less of the axis than this, it is asked whether a logarithmic one shows more; once it is logarithmic
by itself, it stays so until they take up that much."""

GAIN = 1.5
"""How much more of a logarithmic axis they must take up."""

LEAST_RATIO = 4.0
"""How many times the least value the greatest must be: below, the two axes hardly differ."""

_REFERENCE_ROOM = 2.5
"""How many times as long the axis may become for a line that is only there to compare with."""


def shows_more_in_log(values: Sequence[float], *, is_log: bool = False) -> bool:
    """Whether a logarithmic axis shows more of these values than an even one, as where a loss begins far above all the rest,
    or has a spike.

    Args:
        values: those of the curve, none of them nan.
        is_log: whether the axis is logarithmic now.
    """
    if len(values) < 5 or not min(values) > 0:
        return False
    ordered = sorted(values)
    low, high = ordered[0], ordered[-1]
    if high < LEAST_RATIO * low:
        return False
    cut = math.floor(len(ordered) * (1 - MIDDLE) / 2)
    bottom, top = ordered[cut], ordered[-1 - cut]
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
