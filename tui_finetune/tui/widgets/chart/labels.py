"""What the ticks of an axis say."""

from __future__ import annotations

import math
from collections.abc import Sequence

_UNITS = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k"))


def label_steps(values: Sequence[float]) -> tuple[str, ...]:
    """Steps: 0, 500, 1500, 20k, 1.5M; all in one unit."""
    top = max((abs(value) for value in values), default=0)
    for size, unit in _UNITS:
        short = all(value * 10 % size == 0 for value in values)
        if short and top >= (10 * size if unit == "k" else size):
            return tuple(f"{value / size:.10g}{unit}" if value else "0" for value in values)
    return tuple(f"{value:.0f}" for value in values)


def label_values(values: Sequence[float], finest: float) -> tuple[str, ...]:
    """Values, all with the decimals that the finest one needs; far from 1 with a unit or a power of ten.

    Args:
        values: what is to be labeled.
        finest: the step between them, or where they are not even the least of them.
    """
    top = max((abs(value) for value in values), default=0.0)
    if top >= 1e15 or top < 1e-2:
        return tuple(_power(value, finest) for value in values)
    for size, unit in _UNITS:
        places = _decimals(finest / size)
        if top >= 10 * size or (top >= size and unit != "k" and places <= 1):
            return tuple(f"{value / size:.{places}f}{unit}" if value else "0" for value in values)
    places = max(_decimals(finest), 0 if top >= 10 else 1)
    return tuple(f"{value:.{places}f}" for value in values)


def label_powers(values: Sequence[float]) -> tuple[str, ...]:
    """Values that are far from each other, each as short as it can be: 0.25, 16, 1e-5, 10k."""
    return tuple(_power(value, value) if value < 1e-2 or value >= 1e15 else _short(value) for value in values)


def _short(value: float) -> str:
    for size, unit in _UNITS:
        if value >= 10 * size:
            return f"{value / size:.4g}{unit}"
    return f"{value:.4g}"


def _decimals(finest: float) -> int:
    """Decimals that show a round number in full: none for 20, one for 0.5, two for 0.25."""
    if finest >= 1 and finest == int(finest):
        return 0
    size = math.floor(math.log10(finest) + 1e-9)
    mantissa = finest / 10.0**size
    return max(-size + (0 if abs(mantissa - round(mantissa)) < 1e-6 else 1), 0)


def _power(value: float, finest: float) -> str:
    if not value:
        return "0"
    size = math.floor(math.log10(abs(value)) + 1e-9)
    places = min(max(size - math.floor(math.log10(finest) + 1e-9), 0), 4)
    mantissa = value / 10.0**size
    text = f"{mantissa:.{max(places, 1)}f}".rstrip("0").rstrip(".")
    return f"{text}e{size}"


def as_bytes(label: str) -> str:
    """A label of a count of bytes: '1.5B' is 1.5 GB."""
    if label[-1:].isalpha():
        return f"{label[:-1]}{label[-1].replace('B', 'G')}B"
    return label


def show_value(value: float) -> str:
    """A value in four figures or so: 1.942, 0.00018 as 1.8e-4, 8100 as 8.1k."""
    if not math.isfinite(value):
        return "not a number"
    if value == 0:
        return "0"
    if abs(value) < 1e-3:
        return _power(value, abs(value) / 100)
    for size, unit in _UNITS:
        if abs(value) >= 10 * size or (unit == "k" and abs(value) >= 1000):
            return f"{value / size:.1f}{unit}"
    return f"{value:.3f}" if abs(value) < 100 else f"{value:.1f}"
