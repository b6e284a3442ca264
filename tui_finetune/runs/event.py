"""What events of all kinds have."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import ClassVar, TypedDict

BESIDE_VALUES = frozenset({"time", "type", "answers", "step", "epoch", "asked_for", "before_training"})
"""What stands in a line of numbers beside these."""


class Common(TypedDict):
    """What events of all kinds are made with."""

    time: float | None
    answers: tuple[str, ...]


def _now() -> float:
    return round(time.time(), 3)


@dataclass(frozen=True, kw_only=True)
class Event:
    """What all events have.

    Attributes:
        time: Unix seconds; None where a line doesn't say.
        answers: the ids of the requests that were obeyed, or refused, by what is told.
    """

    type: ClassVar[str] = ""
    time: float | None = field(default_factory=_now)
    answers: tuple[str, ...] = ()

    def fields(self) -> dict[str, object]:
        """What its line has besides time, type and answers."""
        return {}
