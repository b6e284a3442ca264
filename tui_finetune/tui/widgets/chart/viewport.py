"""Which part of a run a chart shows."""

from __future__ import annotations

import math

ZOOM = 1.6
PAN = 0.25
NARROWEST = 4.0
"""Steps that are shown at least."""

_EXTENTS = (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)


def extent(last: float, total: float | None, *, over: bool) -> float:
    """Where the axis of steps ends: at a round number, so that the curve grows into it; at the last step once it is over."""
    if over or last <= 0:
        end = last
    else:
        size = 10.0 ** math.floor(math.log10(last))
        end = next(size * factor for factor in _EXTENTS if size * factor >= last)
        if total is not None and last <= total < end:
            end = total
    return max(end, NARROWEST)


class Viewport:
    """A window on the steps from 0 to `end`. Zoomed at the newest tail it stays there while the run goes on.

    Attributes:
        last: the newest step.
        end: where the whole axis ends, from `last` up.
    """

    def __init__(self) -> None:
        self.last = 0.0
        self.end = NARROWEST
        self._span: float | None = None
        self._right: float | None = None

    @property
    def zoomed(self) -> bool:
        return self._span is not None

    @property
    def follows(self) -> bool:
        """Whether the newest step is kept in sight."""
        return self._right is None

    @property
    def magnification(self) -> float:
        return 1.0 if self._span is None else self.end / self._span

    def reset(self) -> None:
        self._span = self._right = None

    def grow(self, last: float, end: float) -> None:
        """The run has come to step `last`, and its axis ends at `end`."""
        self.last, self.end = last, max(end, last, NARROWEST)
        if self._span is not None and self._span >= self.end:
            self.reset()

    def window(self) -> tuple[float, float]:
        """The first and the last step shown."""
        if self._span is None:
            return 0.0, self.end
        right = max(self.last, self._span) if self._right is None else self._right
        return right - self._span, right

    def zoom(self, inwards: bool, center: float | None = None) -> None:
        """Show fewer steps or more. The middle stays, or the newest step where it is in sight and nothing else is asked.

        Args:
            inwards: fewer steps.
            center: the step that keeps its place.
        """
        low, high = self.window()
        span = (high - low) / ZOOM if inwards else (high - low) * ZOOM
        if span >= self.end:
            self.reset()
            return
        span = max(span, min(NARROWEST, self.end))
        if center is None and high >= self.last:
            self._span, self._right = span, None
            return
        middle = (low + high) / 2 if center is None or not low <= center <= high else center
        share = (middle - low) / (high - low)
        self._span = span
        self._place(middle + (1 - share) * span)

    def pan(self, right: bool) -> None:
        """Move by a quarter of what is shown. At the newest step it stays there from then on."""
        if self._span is None:
            return
        _, high = self.window()
        self._place(high + (PAN if right else -PAN) * self._span)

    def move(self, steps: float) -> None:
        """Move by so many steps, to later ones where they are more than 0."""
        if self._span is not None:
            self._place(self.window()[1] + steps)

    def _place(self, high: float) -> None:
        assert self._span is not None
        high = max(high, self._span)
        self._right = None if high >= self.last else high
