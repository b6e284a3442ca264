"""A curve as it grows: its points, and the same smoothed."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from collections.abc import Sequence
from itertools import chain
from operator import le

SMOOTHING = {"off": 0.0, "light": 0.6, "medium": 0.85, "strong": 0.96}
"""How much of the mean so far each new point keeps, by name."""

GROWING_POINTS = 10
"""After so many points the weight has grown to a half, after nine times as many to nine tenths."""


class Curve:
    """A curve that grows at its end, and its smoothed form; both only ever worked out for what is new.

    The smoothed curve is a double exponential moving average (Mulloy, "Smoothing data with faster moving averages",
    1994): twice the average less the average of the average, which takes out the lag that would put the curve above
    its points while the loss falls. The weight grows into its full value with the points, so that a young curve is
    smoothed over a part of it and not over all of it.

    Attributes:
        xs, ys: the points, in the order of their steps; what is not a finite number is nan.
        smoothed: as many as `ys`, nan where they are.
        gaps: how many values are not numbers.
    """

    def __init__(self, smoothing: float = 0.0) -> None:
        self.smoothing = smoothing
        self._clear()

    def _clear(self) -> None:
        self.xs: array[int] = array("q")
        self.ys: array[float] = array("d")
        self.gaps = 0
        self._taken = 0
        self._last_taken: tuple[int, float] | None = None
        self._restart_smoothing()

    def _restart_smoothing(self) -> None:
        self.smoothed: array[float] = array("d")
        self._mean = self._mean_of_means = 0.0
        self._number = 0

    def __len__(self) -> int:
        return len(self.xs)

    def update(self, steps: Sequence[int], values: Sequence[float]) -> bool:
        """Take in what is new in two lists of one length; returns whether anything has changed.

        Lists that were cut back, as when a run is resumed from an earlier checkpoint, are read anew.
        """
        taken = self._taken
        if len(steps) < taken or (taken > 0 and not _same((steps[taken - 1], values[taken - 1]), self._last_taken)):
            self._clear()
        elif len(steps) == taken:
            return False
        new_steps, new_values = steps[self._taken :], values[self._taken :]
        if math.isfinite(sum(new_values)) and all(map(le, chain(self.xs[-1:], new_steps), new_steps)):
            self.xs.extend(new_steps)  # as nearly always: many at once
            self.ys.extend(new_values)
        else:
            for step, value in zip(new_steps, new_values, strict=True):
                if not self.xs or step >= self.xs[-1]:
                    self.xs.append(step)
                    self.ys.append(value if math.isfinite(value) else math.nan)
                    self.gaps += not math.isfinite(value)
        self._taken = len(steps)
        self._last_taken = (steps[-1], values[-1]) if steps else None
        self._smooth()
        return True

    def smooth(self, smoothing: float) -> None:
        """Smooth with another weight, from 0 (not at all) to below 1."""
        self.smoothing = smoothing
        self._restart_smoothing()
        self._smooth()

    def _smooth(self) -> None:
        mean, mean_of_means, number = self._mean, self._mean_of_means, self._number
        append, begin, weight, share = self.smoothed.append, len(self.smoothed), 0.0, 1.0
        for value in self.ys[begin:]:
            if value != value:  # a gap: the mean goes on behind it
                append(value)
                continue
            if weight < self.smoothing:
                weight = min(self.smoothing, number / (number + GROWING_POINTS))
                share = 1 - weight
            number += 1
            mean = weight * mean + share * value
            mean_of_means = weight * mean_of_means + share * mean
            append(2 * mean - mean_of_means)
        self._mean, self._mean_of_means, self._number = mean, mean_of_means, number

    def nearest(self, step: float) -> int | None:
        """The index of the point nearest to a step; None where there are no points."""
        if not self.xs:
            return None
        right = bisect_left(self.xs, step)
        if right == len(self.xs):
            return right - 1
        if right == 0 or self.xs[right] - step < step - self.xs[right - 1]:
            return right
        return right - 1


def _same(one: tuple[int, float], other: tuple[int, float] | None) -> bool:
    """Whether two points are one; a value that is not a number is itself."""
    if other is None or one[0] != other[0]:
        return False
    return one[1] == other[1] or (one[1] != one[1] and other[1] != other[1])
