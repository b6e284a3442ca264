"""Round numbers along an axis."""

from __future__ import annotations

import itertools
import math

_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


def ticks(low: float, high: float, count: int) -> list[float]:
    """Round numbers from low to high, about so many, at most a quarter more."""
    if not high > low or count < 1:
        return []
    rough = (high - low) / (1.25 * count)
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * factor for factor in _STEPS if size * factor >= rough)
    first = math.ceil(low / step - 1e-9)
    return [number * step for number in range(first, math.floor(high / step + 1e-9) + 1)]


def log_ticks(low: float, high: float, count: int) -> list[float]:
    """Round numbers for an axis in powers of ten; both ends above 0."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1.0,), (1.0, 3.0), (1.0, 2.0, 5.0)):
        found = [f * 10.0**d for d in decades for f in factors if low <= f * 10.0**d <= high]
        if len(found) >= min(count, 3):
            return found
    return ticks(low, high, count)


def label_steps(values: list[float]) -> list[str]:
    """Steps: 0, 500, 1.5k, 20k, 1M; all in one unit."""
    top = max(values, default=0)
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if top >= 10 * size:
            return [f"{value / size:g}{unit}" if value else "0" for value in values]
    return [f"{value:g}" for value in values]


def label_losses(values: list[float]) -> list[str]:
    """Losses, all with as many decimals as tell them apart."""
    gaps = [abs(b - a) for a, b in itertools.pairwise(values) if b != a]
    smallest = min([*gaps, *(abs(v) for v in values[:1] if v)], default=1.0)
    if max((abs(v) for v in values), default=0) >= 10_000 or smallest < 1e-5:
        return [f"{value:.0e}" if value else "0" for value in values]
    decimals = 1
    while decimals < 5 and any(abs(round(v, decimals) - v) > smallest / 100 for v in values):
        decimals += 1
    return [f"{value:.{decimals}f}" for value in values]
