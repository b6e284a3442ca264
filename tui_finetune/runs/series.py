"""A curve: numbers over steps, in as little memory as they take."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator


class Series:
    """Numbers over steps, in the order in which they were logged.

    Attributes:
        steps, values: of one length; eight bytes a number.
    """

    __slots__ = ("steps", "values")

    def __init__(self, points: Iterable[tuple[int, float]] = ()) -> None:
        self.steps: array[int] = array("q")
        self.values: array[float] = array("d")
        for step, value in points:
            self.add(step, value)

    def add(self, step: int, value: float) -> None:
        """Add a point."""
        self.steps.append(step)
        self.values.append(value)

    def extend(self, steps: Iterable[int], values: Iterable[float]) -> None:
        """Add many points; both have one length."""
        self.steps.extend(steps)
        self.values.extend(values)

    def forget_after(self, step: int) -> None:
        """Take back the points beyond a step."""
        keep = bisect_right(self.steps, step)
        del self.steps[keep:], self.values[keep:]

    @property
    def newest(self) -> float | None:
        """The value logged last."""
        return self.values[-1] if self.values else None

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[tuple[int, float]]:
        return zip(self.steps, self.values, strict=True)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Series) and self.steps == other.steps and self.values == other.values

    __hash__ = None  # type: ignore[assignment] # it changes

    def __repr__(self) -> str:
        return f"Series({list(self)!r})"
