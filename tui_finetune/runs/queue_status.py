"""Where a run of the queue is, in words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.queue import QueuedRun
from tui_finetune.runs.status import INTERRUPTED, mark, word
from tui_finetune.runs.summary import summarize

WAITS = "◦"
"""The mark of a run that waits."""


def status_words(queued: QueuedRun) -> tuple[str, str]:
    """A mark and a word or two: 'waiting', 'training 12/60', 'interrupted 12/60', 'finished'."""
    if queued.state == "waiting":
        return WAITS, "waiting"
    if queued.state == "ended":
        return mark(queued.status), word(queued.status)
    told = summarize(RunDirectory(Path(queued.run)))
    status = INTERRUPTED if told.status == "stopped" else told.status  # it goes on with the queue
    of = f"/{told.total_steps:,}" if told.total_steps else ""
    return mark(status), f"{word(status)} {told.step:,}{of}"


def counts(runs: Sequence[QueuedRun], *, running: bool) -> str:
    """How many are being trained, wait and have ended, in words; '' where there are none."""
    waiting = sum(run.state == "waiting" for run in runs)
    started = sum(run.state == "started" for run in runs)
    ended = len(runs) - waiting - started
    parts = [
        f"{started} {'being trained' if running else 'interrupted'}" if started else "",
        f"{waiting} waiting" if waiting else "",
        f"{ended} ended" if ended else "",
    ]
    return ", ".join(part for part in parts if part)
