"""Telling how far long work is, at a bearable rate, and ending it when asked to."""

from __future__ import annotations

import time
from collections.abc import Callable

Report = Callable[[int, "int | None", str], None]
"""Called with what is done, the total or None, and the unit. May raise errors.Cancelled to end the work."""

INTERVAL_SECONDS = 0.1


class Ticker:
    """Passes progress on, at most ten times a second."""

    def __init__(self, report: Report | None, total: int | None, unit: str) -> None:
        self._report = report
        self._total = total
        self._unit = unit
        self._last = 0.0

    def __call__(self, done: int) -> None:
        if self._report is None:
            return
        now = time.monotonic()
        if now - self._last >= INTERVAL_SECONDS or done == self._total:
            self._last = now
            self._report(done, self._total, self._unit)
