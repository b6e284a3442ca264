"""What a run is doing, told as it goes; and a stop that is asked for before the first step."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tui_finetune.errors import Cancelled
from tui_finetune.runs.control import take, waiting
from tui_finetune.runs.events import PHASE_LABELS, Phase, PhaseEvent, StatusEvent
from tui_finetune.runs.log import EventLog
from tui_finetune.system.progress import Report

CANCEL_POLL_SECONDS = 0.2


class Phases:
    """Tells the event log which phase begins, and how far it is.

    Args:
        log: the run's event log.
        control_dir: where a stop may be asked for.
    """

    def __init__(self, log: EventLog, control_dir: Path) -> None:
        self._log = log
        self._control_dir = control_dir
        self._checked = 0.0

    @contextmanager
    def __call__(self, phase: Phase, label: str = "") -> Iterator[Report]:
        """Begin a phase; gives the callback for its progress.

        Raises:
            Cancelled: a stop was asked for; also by the callback.
        """
        self._log.write(PhaseEvent(phase, label or PHASE_LABELS[phase]))
        self._raise_if_stopped(force=True)

        def report(done: int, total: int | None, unit: str) -> None:
            self._log.progress(phase, done, total, unit)
            self._raise_if_stopped()

        yield report

    def _raise_if_stopped(self, *, force: bool = False) -> None:
        now = time.monotonic()
        if force or now - self._checked >= CANCEL_POLL_SECONDS:
            self._checked = now
            if waiting(self._control_dir, "stop"):
                answers = tuple(request.id for request in take(self._control_dir))
                self._log.write(StatusEvent("stopping", answers=answers))
                raise Cancelled
