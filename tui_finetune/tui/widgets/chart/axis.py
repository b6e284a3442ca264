"""Axes in whole cells of the terminal: which cell a value belongs to, and where round numbers stand.

A tick stands in the middle of its cell, and from one tick to the next it is always the same number of cells: a round step
is divided by a whole number of cells, and the axis is put together from such cells.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from tui_finetune.tui.widgets.chart.labels import label_powers, label_steps, label_values

_ROUND = (1.0, 2.0, 2.5, 5.0)
_ROUND_WHOLE = (1.0, 2.0, 5.0)
_FACTORS = (2.0, 4.0, 10.0, 100.0, 1e3, 1e4, 1e6, 1e9, 1e12, 1e20, 1e40, 1e80, 1e160)
"""By what a logarithmic axis grows from tick to tick: powers of it are round numbers at even distances."""

_LEVEL = 1e-6
"""A range below this share of its values can't be told from none."""

_NEARLY = 1e-9
"""A value that rounding puts so little below a cell belongs to it."""


@dataclass(frozen=True)
class Axis:
    """An axis of whole cells, the first one at the bottom or at the left.

    Attributes:
        first: where the first cell begins; of a logarithmic axis the power of ten.
        cell: how much a cell is, likewise.
        cells: how many there are.
        ticks: values that have a label.
        labels: as many texts.
        log: whether it is logarithmic.
    """

    first: float
    cell: float
    cells: int
    ticks: tuple[float, ...] = ()
    labels: tuple[str, ...] = ()
    log: bool = False

    def place(self, value: float) -> float:
        """Where a value is, in cells from the beginning; nan where it has no place on such an axis."""
        if self.log:
            value = math.log10(value) if value > 0 else math.nan
        return (value - self.first) / self.cell

    def dot(self, value: float, dots: int = 1) -> int | None:
        """The dot that a value belongs to, so many of them to a cell; None where it lies outside."""
        place = self.place(value) * dots
        if not math.isfinite(place):
            return None
        found = math.floor(place + _NEARLY)
        return found if 0 <= found < self.cells * dots else None

    def value(self, place: float) -> float:
        """What stands at a place, in cells from the beginning; the middle of cell 3 is at 3.5."""
        value = self.first + place * self.cell
        return 10.0**value if self.log else value

    @property
    def marks(self) -> dict[int, str]:
        """The label in each cell that has one."""
        placed = ((self.dot(tick), label) for tick, label in zip(self.ticks, self.labels, strict=True))
        return {cell: label for cell, label in placed if cell is not None}


@dataclass(frozen=True)
class _Fit:
    """A round step of so many cells; the first cell is the one with this number, counted from the one around 0."""

    step: float
    per_step: int
    number: int

    @property
    def cell(self) -> float:
        return self.step / self.per_step

    @property
    def first(self) -> float:
        return (self.number - 0.5) * self.cell

    def ticks(self, cells: int) -> Iterator[float]:
        for count in range(-(-self.number // self.per_step), (self.number + cells - 1) // self.per_step + 1):
            yield count * self.step


def value_axis(low: float, high: float, cells: int, *, log: bool = False) -> Axis:
    """An axis on which all values from low to high lie.

    Args:
        low, high: the least and the greatest value; both above 0 for a logarithmic axis.
        cells: rows.
        log: powers of ten at even distances.
    """
    ideal = max(3, round(cells / 7)) if cells > 3 else 1
    spacing = range(max(2, round(cells / 9)), max(cells // 2, 2) + 1) if cells > 3 else range(1, max(cells - 1, 1) + 1)
    if log:
        low, high = _apart(math.log10(low), math.log10(high), 0.02)
        powers = tuple(math.log10(factor) for factor in _FACTORS)
        fit = _fit(low, high, cells, spacing, lambda least: powers, ideal=ideal, waste=1.3)
        ticks = tuple(10.0**power for power in fit.ticks(cells)) if fit else ()
        if fit is None or len(ticks) < 2 or high - low < 0.5 * cells * fit.cell:
            return _narrow_log_axis(low, high, cells)
        return Axis(fit.first, fit.cell, cells, ticks, label_powers(ticks), log=True)
    from_zero = low >= 0
    low, high = _apart(low, high)
    fit = _fit(
        low,
        high,
        cells,
        spacing,
        lambda least: _round_from(least, _ROUND),
        ideal=ideal,
        waste=1.12,
        from_zero=from_zero,
    )
    assert fit is not None
    ticks = tuple(fit.ticks(cells))
    return Axis(fit.first, fit.cell, cells, ticks, label_values(ticks, fit.step))


def step_axis(low: float, high: float, cells: int) -> Axis:
    """An axis of steps; its ticks are whole numbers. It may end a little beyond ``high``."""
    widest = len(f"{high:.0f}")
    least_spacing = max(min(widest + 3, cells // 2), 1)
    spacing = range(least_spacing, max(cells // 2, 1) + 1)
    low, high = _apart(low, high, 1.0)
    fit = _fit(
        low,
        high,
        cells,
        spacing,
        lambda least: _round_from(max(least, 1.0), _ROUND_WHOLE),
        ideal=max(11, least_spacing),
        waste=1.05,
        from_left=True,
    )
    assert fit is not None
    ticks = tuple(fit.ticks(cells))
    return Axis(fit.first, fit.cell, cells, ticks, label_steps(ticks))


def _apart(low: float, high: float, room: float | None = None) -> tuple[float, float]:
    """The two ends, and where they are the same a little more on both sides."""
    if high - low > _LEVEL * max(abs(low), abs(high)):
        return low, high
    room = max(room or 0.1 * max(abs(low), abs(high)) or 0.1, 10 * _LEVEL * max(abs(low), abs(high)))
    return (low - room if room > 0 else low), high + room


def _round_from(least: float, factors: Sequence[float]) -> Iterator[float]:
    """Round numbers from the first one that is not below a limit."""
    size = 10.0 ** math.floor(math.log10(least) - _NEARLY)
    while True:
        for factor in factors:
            if factor * size >= least * (1 - _NEARLY):
                yield factor * size
        size *= 10


def _fit(
    low: float,
    high: float,
    cells: int,
    spacing: Sequence[int],
    steps: Callable[[float], Iterable[float]],
    *,
    ideal: int,
    waste: float,
    from_zero: bool = False,
    from_left: bool = False,
) -> _Fit | None:
    """Cells as fine as can be of which so many hold all from low to high.

    Args:
        low, high, cells: what is to be held by how many.
        spacing: cells that may lie between two ticks.
        steps: round steps that are not below a limit, ascending; those below are passed over.
        ideal: cells that lie between two ticks best.
        waste: how much coarser than the finest a cell may be for it.
        from_zero: nothing below 0 is shown.
        from_left: the first cell is that of ``low``; else what is left over is shared by both ends.
    """
    found: list[_Fit] = []
    for per_step in spacing:
        least = (high - low) / max(cells, 1) * per_step
        for step in steps(least):
            if step < least * (1 - _NEARLY):
                continue
            cell = step / per_step
            begin, end = math.floor(low / cell + 0.5), math.floor(high / cell + 0.5)
            if (spare := cells - (end - begin + 1)) < 0:
                continue
            number = begin if from_left else begin - spare // 2
            found.append(_Fit(step, per_step, max(number, 0) if from_zero else number))
            break
    if not found:
        return None
    limit = waste * min(fit.cell for fit in found)
    return min((fit for fit in found if fit.cell <= limit), key=lambda fit: (abs(fit.per_step - ideal), fit.cell))


def _narrow_log_axis(low: float, high: float, cells: int) -> Axis:
    """A logarithmic axis of less than a few powers: its ticks are those of a linear one, where they belong on this."""
    cell = (high - low) / max(cells - 1, 1)
    first = low - cell / 2
    even = value_axis(10.0**low, 10.0**high, cells)
    axis = Axis(first, cell, cells, log=True)
    inside = {axis.dot(tick): (tick, label) for tick, label in zip(even.ticks, even.labels, strict=True) if tick > 0}
    inside.pop(None, None)
    ticks = tuple(tick for tick, _ in inside.values())
    return Axis(first, cell, cells, ticks, tuple(label for _, label in inside.values()), log=True)
