"""Curves: numbers over steps, in as little memory as they take."""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence


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
        # Byte by byte, so that a value that is not a number is like itself.
        return (
            isinstance(other, Series) and self.steps == other.steps and self.values.tobytes() == other.values.tobytes()
        )

    __hash__ = None  # type: ignore[assignment] # it changes

    def __repr__(self) -> str:
        return f"Series({list(self)!r})"


LOSS, EVAL_LOSS = "loss", "eval_loss"
"""The curves that every run is read by, under Trainer's names: always there at once."""


def curve_name(text: str) -> str:
    """A name as a part of a curve's: 'chat-v2' is in 'eval_chat_v2_loss'."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_") or "data"


Later = Callable[[], Mapping[str, Series]]
"""Reads what was passed over: curves by their names."""


class Curves(Mapping[str, Series]):
    """All curves of a run by the names that Trainer logs.

    Whoever attaches to a long run waits for its losses only: the other numbers of a log that was skimmed are read when
    somebody asks for one of them, or in a thread by `read_waiting`.
    """

    def __init__(self) -> None:
        self._series: dict[str, Series] = {}
        self._newest: dict[str, float] = {}
        self._waiting: list[Later] = []

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Add what was logged at a step."""
        self._newest.update(values)
        for name in (LOSS, EVAL_LOSS):
            if name in values:
                self._of(name).add(step, values[name])
        others = {name: value for name, value in values.items() if name not in {LOSS, EVAL_LOSS}}
        if self._waiting:  # older ones come first
            self._waiting.append(lambda: {name: Series([(step, value)]) for name, value in others.items()})
        else:
            for name, value in others.items():
                self._of(name).add(step, value)

    def extend(self, steps: Sequence[int], losses: Sequence[float], later: Later) -> None:
        """Add many points of the training loss; `later` reads the other numbers of the same steps."""
        self._of(LOSS).extend(steps, losses)
        self._waiting.append(later)

    def newest(self, name: str) -> float | None:
        """The value that was logged last; never reads anything."""
        return self._newest.get(name)

    def known(self, name: str) -> Series:
        """As much of a curve as is there without reading anything: all of it, or nothing."""
        return Series() if self._waiting and name not in {LOSS, EVAL_LOSS} else self._series.get(name) or Series()

    @property
    def names(self) -> list[str]:
        """The names of all curves, as far as they are known without reading anything."""
        return list(dict.fromkeys([*self._series, *self._newest]))

    @property
    def waiting(self) -> list[Later]:
        """What is still to be read, oldest first. Reading it takes long and may be done in a thread; see `take`."""
        return list(self._waiting)

    def take(self, read: Sequence[Mapping[str, Series]]) -> None:
        """Take in what the oldest of `waiting` have read."""
        del self._waiting[: len(read)]
        for curves in read:
            for name, series in curves.items():
                self._of(name).extend(series.steps, series.values)

    def forget_after(self, step: int) -> None:
        """Take back all points beyond a step."""
        self._settle()
        for name, series in self._series.items():
            series.forget_after(step)
            if (value := series.newest) is not None:
                self._newest[name] = value
            else:
                self._newest.pop(name, None)

    def _of(self, name: str) -> Series:
        return self._series.setdefault(name, Series())

    def _settle(self) -> None:
        self.take([read() for read in self._waiting])

    def __getitem__(self, name: str) -> Series:
        if name not in {LOSS, EVAL_LOSS}:
            self._settle()
        return self._series[name]

    def __iter__(self) -> Iterator[str]:
        self._settle()
        return iter(self._series)

    def __len__(self) -> int:
        self._settle()
        return len(self._series)

    def __repr__(self) -> str:
        return f"Curves({dict(self)!r})"
