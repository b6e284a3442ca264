"""How fast a run goes, told from the times in its own events, so that every watcher says the same."""

from __future__ import annotations

from collections import deque
from statistics import median

from tui_finetune.runs.events import CheckpointEvent, Event, PhaseEvent, ProgressEvent, StatusEvent

LONGEST_GAP = 600.0
"""Seconds between two events beyond which the clock was set, or nobody was training."""

REMEMBERED_STEPS = 100

_BESIDE = frozenset({"evaluating", "saving"})
"""Phases between steps."""


class Pace:
    """Seconds per step and seconds of work, built up from events by `apply`.

    The clock of a machine may be set in mid-run: gaps that run backwards or are very long count for nothing, and the time
    of a step is the median of the newest ones, which a single wrong gap doesn't move. Evaluating, saving and pauses are
    no part of a step; what evaluating and saving have taken since the first step is shared out among the steps that are
    left.

    Attributes:
        active_seconds: time in which the run was going, over all its starts.
    """

    def __init__(self) -> None:
        self.active_seconds = 0.0
        self._last: float | None = None
        self._mark: tuple[float, int] | None = None
        self._phase = ""
        self._first_step: int | None = None
        self._beside = 0.0
        self._step_seconds: deque[float] = deque(maxlen=REMEMBERED_STEPS)

    def apply(self, event: Event) -> None:
        """Take in one event."""
        if (moment := event.time) is None:
            return
        if isinstance(event, StatusEvent) and event.status == "starting":
            self._last = self._mark = self._first_step = None
            self._phase, self._beside = "", 0.0
            self._step_seconds.clear()
        if self._last is not None and 0 < moment - self._last <= LONGEST_GAP:
            self.active_seconds += moment - self._last
            if self._phase in _BESIDE and self._first_step is not None:
                self._beside += moment - self._last
        self._last = moment
        if isinstance(event, PhaseEvent):
            self._phase = event.phase
        if isinstance(event, ProgressEvent):
            if event.phase == "training":
                self._step_done(moment, event.done)
        elif isinstance(event, (PhaseEvent, StatusEvent, CheckpointEvent)):
            self._mark = None

    def _step_done(self, moment: float, done: int) -> None:
        if self._first_step is None:
            self._first_step = done
        if self._mark is not None:
            began, step = self._mark
            if done > step and moment > began:
                self._step_seconds.append((moment - began) / (done - step))
        self._mark = (moment, done)

    @property
    def seconds_per_step(self) -> float | None:
        """The usual time of a step lately; None until two steps are known."""
        return median(self._step_seconds) if self._step_seconds else None

    def seconds_left(self, step: int, total: int | None) -> float | None:
        """Time that is left, with the evaluations and checkpoints to come as they were so far; None where it can't be told."""
        pace = self.seconds_per_step
        if pace is None or total is None:
            return None
        done = step - (self._first_step or 0)
        return max(total - step, 0) * (pace + (self._beside / done if done > 0 else 0.0))
