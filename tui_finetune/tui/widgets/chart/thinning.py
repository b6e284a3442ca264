"""Curves of any length, thinned to what a chart of so many columns can show."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import chain
from operator import le

SMOOTHING = {"off": 0.0, "light": 0.6, "medium": 0.85, "strong": 0.96}
"""How much of the mean so far each new point keeps, by name."""

GROWING_POINTS = 10
"""After so many points the weight has grown to a half, after nine times as many to nine tenths."""


class LossSeries:
    """A curve that grows at its end, and its smoothed form; both only ever worked out for what is new.

    The smoothed curve is a double exponential moving average (Mulloy, "Smoothing data with faster moving averages",
    1994): twice the average less the average of the average, which takes out the lag that would put the curve above
    its points while the loss falls. The weight grows into its full value with the points, so that a young curve is
    smoothed over a part of it and not over all of it.

    Attributes:
        xs, ys: the points that are numbers, in the order of their steps.
        smoothed: as many as `ys`.
    """

    def __init__(self, smoothing: float = 0.0) -> None:
        self.smoothing = smoothing
        self._clear()

    def _clear(self) -> None:
        self.xs: list[int] = []
        self.ys: list[float] = []
        self._taken = 0
        self._last_taken: tuple[int, float] | None = None
        self._restart_smoothing()

    def _restart_smoothing(self) -> None:
        self.smoothed: list[float] = []
        self._mean = self._mean_of_means = 0.0

    def __len__(self) -> int:
        return len(self.xs)

    def update(self, steps: Sequence[int], losses: Sequence[float]) -> bool:
        """Take in what is new in two lists of one length; returns whether anything has changed.

        Lists that were cut back, as when a run is resumed from an earlier checkpoint, are read anew.
        """
        taken = self._taken
        cut = len(steps) < taken or (taken > 0 and (steps[taken - 1], losses[taken - 1]) != self._last_taken)
        if cut:
            self._clear()
        elif len(steps) == taken:
            return False
        new_steps, new_losses = steps[self._taken :], losses[self._taken :]
        if math.isfinite(sum(new_losses)) and all(map(le, chain(self.xs[-1:], new_steps), new_steps)):
            self.xs += new_steps  # as nearly always: many at once
            self.ys += new_losses
        else:
            for step, loss in zip(new_steps, new_losses, strict=True):
                if math.isfinite(loss) and (not self.xs or step >= self.xs[-1]):
                    self.xs.append(step)
                    self.ys.append(loss)
        self._taken = len(steps)
        self._last_taken = (steps[-1], losses[-1]) if steps else None
        self._smooth()
        return True

    def smooth(self, smoothing: float) -> None:
        """Smooth with another weight, from 0 (not at all) to below 1."""
        self.smoothing = smoothing
        self._restart_smoothing()
        self._smooth()

    def _smooth(self) -> None:
        mean, mean_of_means = self._mean, self._mean_of_means
        append, begin, weight, share = self.smoothed.append, len(self.smoothed), 0.0, 1.0
        for number, loss in enumerate(self.ys[begin:], begin):
            if weight < self.smoothing:
                weight = min(self.smoothing, number / (number + GROWING_POINTS))
                share = 1 - weight
            mean = weight * mean + share * loss
            mean_of_means = weight * mean_of_means + share * mean
            append(2 * mean - mean_of_means)
        self._mean, self._mean_of_means = mean, mean_of_means

    def nearest(self, step: float) -> int | None:
        """The index of the point nearest to a step; None where there are no points."""
        if not self.xs:
            return None
        right = bisect_left(self.xs, step)
        if right == 0 or (right < len(self.xs) and self.xs[right] - step < step - self.xs[right - 1]):
            return right
        return right - 1


def thin(
    xs: Sequence[float], ys: Sequence[float], low: float, high: float, columns: int
) -> tuple[list[float], list[float]]:
    """The part of a curve between two steps, reduced to the lowest and highest point of each column.

    Drawn with lines this looks the same as all the points would: no peak is lost.

    Args:
        xs: steps, ascending.
        ys: as many values.
        low, high: the first and the last step shown. Where the curve goes on beyond, it is cut exactly there.
        columns: columns of dots, two to a character of braille.

    Returns:
        Steps and values, at most two to a column and one at each end.
    """
    begin, end = bisect_left(xs, low), bisect_right(xs, high)
    out_x: list[float] = []
    out_y: list[float] = []
    if 0 < begin < len(xs) and xs[begin] > low:
        out_x.append(low)
        out_y.append(_between(xs, ys, begin, low))
    if end - begin <= 2 * columns:
        out_x += xs[begin:end]
        out_y += ys[begin:end]
    else:
        width = (high - low) / columns
        here = begin
        for column in range(1, columns + 1):
            after = end if column == columns else bisect_right(xs, low + column * width, here, end)
            if after == here:
                continue
            part = ys[here:after]
            lowest, highest = min(part), max(part)
            first, second = sorted((part.index(lowest), part.index(highest)))
            out_x.append(xs[here + first])
            out_y.append(part[first])
            if second != first:
                out_x.append(xs[here + second])
                out_y.append(part[second])
            here = after
    if 0 < end < len(xs) and xs[end - 1] < high:
        out_x.append(high)
        out_y.append(_between(xs, ys, end, high))
    return out_x, out_y


def column_means(
    xs: Sequence[float], ys: Sequence[float], low: float, high: float, columns: int
) -> tuple[list[float], list[float]]:
    """As `thin`, but with the mean of each column: a smoothed curve stays a line, however many points there are."""
    begin, end = bisect_left(xs, low), bisect_right(xs, high)
    if end - begin <= 2 * columns:
        return thin(xs, ys, low, high, columns)
    out_x: list[float] = []
    out_y: list[float] = []
    width = (high - low) / columns
    here = begin
    for column in range(columns):
        after = end if column == columns - 1 else bisect_right(xs, low + (column + 1) * width, here, end)
        if after > here:
            out_x.append(low + (column + 0.5) * width)
            out_y.append(sum(ys[here:after]) / (after - here))
            here = after
    return out_x, out_y


def _between(xs: Sequence[float], ys: Sequence[float], right: int, x: float) -> float:
    """The curve's value at x, between the points at `right - 1` and `right`."""
    x0, x1 = xs[right - 1], xs[right]
    share = (x - x0) / (x1 - x0) if x1 > x0 else 1.0
    return ys[right - 1] + share * (ys[right] - ys[right - 1])
