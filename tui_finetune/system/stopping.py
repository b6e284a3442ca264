"""What one press of Ctrl+C, or one signal, means: the one rule for the app and for commands without it."""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import Enum

BURST_SECONDS = 0.25
"""Presses that follow each other faster are one: a key that is held, or a supervisor that sends several signals."""


class Press(Enum):
    """What a press asks for."""

    NOTHING = "nothing"
    """It belongs to the press before."""
    STOP = "stop"
    """Finish the step, save, and end the run."""
    ASK = "ask"
    """The run is being stopped already: ask whether to end it at once."""
    END = "end"
    """End at once, without saving."""


class Stopping:
    """Counts presses. A burst of them, however long, is one.

    Args:
        clock: seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last: float | None = None
        self._count = 0

    def press(self) -> Press:
        """A press, now."""
        now = self._clock()
        burst, self._last = self._last is not None and now - self._last < BURST_SECONDS, now
        if burst:
            return Press.NOTHING
        self._count += 1
        return (Press.STOP, Press.ASK, Press.END)[min(self._count, 3) - 1]

    def answered(self) -> None:
        """The question was answered with waiting: the next press asks again."""
        self._count = 1

    def begin_anew(self) -> None:
        """Another run: it has not been asked to stop."""
        self._count, self._last = 0, None
