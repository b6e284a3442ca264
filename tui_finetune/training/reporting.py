"""What a run is doing, told as it goes; and a stop that is asked for before the first step."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tui_finetune.errors import Cancelled, UserError
from tui_finetune.runs.control import take, waiting
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.events import PHASE_LABELS, Phase, PhaseEvent, StatusEvent
from tui_finetune.runs.log import EventLog
from tui_finetune.runs.summary import load_state
from tui_finetune.system.files import DISK_FULL
from tui_finetune.system.progress import Report
from tui_finetune.training.ranks import Ranks

CANCEL_POLL_SECONDS = 0.2


class Phases:
    """Tells the event log which phase begins, and how far it is.

    Args:
        log: the run's event log.
        control_dir: where a stop may be asked for.
        ranks: the processes of the run; what the first is asked, or what fails in one, ends the phase for all.
    """

    def __init__(self, log: EventLog, control_dir: Path, ranks: Ranks) -> None:
        self._log, self._ranks = log, ranks
        self._control_dir = control_dir
        self._checked = 0.0

    @contextmanager
    def __call__(self, phase: Phase, label: str = "", *, leaders_first: bool = False) -> Iterator[Report]:
        """Begin a phase; gives the callback for its progress.

        Args:
            phase: what is done.
            label: the same, where the phase's own words are not enough.
            leaders_first: one process a machine does it before the others, for which it leaves on the disk what they need.

        Raises:
            Cancelled: a stop was asked for; also by the callback.
        """
        self._log.write(PhaseEvent(phase, label or PHASE_LABELS[phase]))

        def report(done: int, total: int | None, unit: str) -> None:
            self._log.progress(phase, done, total, unit)
            self._raise_if_stopped()

        with self._ranks.together(leaders_first=leaders_first):
            self._raise_if_stopped(force=True)
            yield report

    def _raise_if_stopped(self, *, force: bool = False) -> None:
        if self._ranks.told_to_end:
            self._log.write(StatusEvent("stopping"))
            raise Cancelled
        if not self._ranks.is_first:
            return
        now = time.monotonic()
        if force or now - self._checked >= CANCEL_POLL_SECONDS:
            self._checked = now
            if waiting(self._control_dir, "stop"):
                answers = tuple(request.id for request in take(self._control_dir))
                self._log.write(StatusEvent("stopping", answers=answers))
                raise Cancelled


def open_log(events_path: Path) -> EventLog:
    """The event log of a run.

    Raises:
        UserError: it can't be written.
    """
    try:
        return EventLog(events_path)
    except OSError as error:
        remedy = "free some space" if error.errno in DISK_FULL else "check the permissions of the run's directory"
        raise UserError(f"{events_path}: {error.strerror}", remedy) from None


def wrote_final(run: RunDirectory, final: Path) -> bool:
    """Whether a run's log says that its final model is there."""
    result = load_state(run, brief=True).result
    return result is not None and result.final_dir == str(final)
