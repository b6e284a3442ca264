"""Curves of any length, thinned to what an axis of so many cells can show."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tui_finetune.tui.widgets.chart.axis import Axis
from tui_finetune.tui.widgets.chart.raster import Points

if TYPE_CHECKING:
    from array import array

    import numpy as np

ACROSS = 2
"""Columns of dots that a cell is thinned to."""

_WHOLE = 4
"""Points to a column of dots up to which all of them are kept."""


def thin(xs: array[int], ys: array[float], axis: Axis, *, above_zero: bool = False) -> Points:
    """The part of a curve that lies on an axis of steps, reduced to four points a column of dots: the first one, the least
    and the greatest, and the last one.

    Drawn with lines this looks the same as all the points would: no peak is lost, and none is added.

    Args:
        xs: steps, ascending.
        ys: as many values; nan is a gap.
        axis: of steps.
        above_zero: other values count as gaps, for a logarithmic axis of values.

    Returns:
        Steps and values. Where the curve goes on beyond the axis, it is cut at its edge.
    """
    low, high, begin, end = _part(xs, axis)
    if end - begin <= _WHOLE * ACROSS * axis.cells:
        points: Points = (list(xs[begin:end]), list(ys[begin:end]))
    else:
        points = _columns(xs, ys, axis, begin, end, above_zero=above_zero)
    return _joined(xs, ys, points, (low, high), (begin, end))


def means(xs: array[int], ys: array[float], axis: Axis) -> Points:
    """As `thin`, but with the mean of each column of dots: a smoothed curve stays a line, however many points there are."""
    _, _, begin, end = _part(xs, axis)
    if end - begin <= _WHOLE * ACROSS * axis.cells:
        return thin(xs, ys, axis)
    import numpy as np

    starts, middles = _starts(xs, axis, begin, end)
    values = np.frombuffer(ys)[begin:end]
    sums: np.ndarray = np.add.reduceat(values, starts)
    counts = np.diff(np.append(starts, len(values)))
    if np.isnan(sums).any():
        there = ~np.isnan(values)
        counts = np.add.reduceat(there.astype(np.int64), starts)
        sums = np.add.reduceat(np.where(there, values, 0.0), starts)
    found = np.divide(sums, counts, out=np.full(len(starts), np.nan), where=counts > 0)
    return middles.tolist(), found.tolist()


def _part(xs: Sequence[float], axis: Axis) -> tuple[float, float, int, int]:
    """The middle of the first and of the last column of dots, and which points lie on the axis."""
    edge = 0.5 / ACROSS
    begin, end = bisect_left(xs, axis.value(0)), bisect_left(xs, axis.value(axis.cells))
    return axis.value(edge), axis.value(axis.cells - edge), begin, end


def _starts(xs: array[int], axis: Axis, begin: int, end: int) -> tuple[np.ndarray, np.ndarray]:
    """Of each column of dots that has points, the number of its first one from ``begin`` on, and its middle."""
    import numpy as np

    columns = ACROSS * axis.cells
    steps = np.frombuffer(xs, dtype=np.int64)[begin:end]
    # As `Axis.dot` rounds, so that a point on an edge falls to the same side in both.
    edges = axis.first + (np.arange(columns + 1) - 1e-9) * (axis.cell / ACROSS)
    places = np.searchsorted(steps, edges)
    places[0], places[-1] = 0, len(steps)
    filled = places[1:] > places[:-1]
    middles = axis.first + (np.arange(columns) + 0.5) * (axis.cell / ACROSS)
    return places[:-1][filled], middles[filled]


def _columns(xs: array[int], ys: array[float], axis: Axis, begin: int, end: int, *, above_zero: bool) -> Points:
    import numpy as np

    starts, middles = _starts(xs, axis, begin, end)
    values = np.frombuffer(ys)[begin:end]
    if above_zero:
        values = np.where(values > 0, values, np.nan)
    ends = np.append(starts[1:], len(values)) - 1
    least, greatest = np.minimum.reduceat(values, starts), np.maximum.reduceat(values, starts)
    if np.isnan(least).any():
        # Where a column has gaps, what is a number in it still counts; a gap narrower than a dot is not seen.
        least, greatest = np.fmin.reduceat(values, starts), np.fmax.reduceat(values, starts)
    first, last = values[starts], values[ends]
    first, last = np.where(np.isnan(first), least, first), np.where(np.isnan(last), greatest, last)
    down = first > last  # so that the way from the first to the last goes over both without turning back
    ordered = np.stack([first, np.where(down, greatest, least), np.where(down, least, greatest), last], axis=1)
    return np.repeat(middles, 4).tolist(), ordered.ravel().tolist()


def _joined(
    xs: Sequence[float], ys: Sequence[float], points: Points, edges: tuple[float, float], part: tuple[int, int]
) -> Points:
    """A part of a curve with its ends at the edges, where the curve goes on beyond them."""
    (low, high), (begin, end), (out_x, out_y) = edges, part, points
    if 0 < begin < len(xs) and xs[begin] > low:
        out_x.insert(0, low)
        out_y.insert(0, _between(xs, ys, begin, low))
    if 0 < end < len(xs) and xs[end - 1] < high:
        out_x.append(high)
        out_y.append(_between(xs, ys, end, high))
    return out_x, out_y


def _between(xs: Sequence[float], ys: Sequence[float], right: int, x: float) -> float:
    """The curve's value at x, between the points at `right - 1` and `right`."""
    x0, x1 = xs[right - 1], xs[right]
    share = (x - x0) / (x1 - x0) if x1 > x0 else 1.0
    return ys[right - 1] + share * (ys[right] - ys[right - 1])
