"""What the statuses of a run are called, and the marks they go by."""

from __future__ import annotations

from tui_finetune.runs.events import ENDED

INTERRUPTED = "interrupted"
"""The status of a run that has not ended and that no process trains: only watchers see it."""

CLOSED = "not readable"
"""Stands in lists for the status of a run that another user owns and has closed."""

OVER = ENDED | {INTERRUPTED}

WORDS = {
    "starting": "starting", "running": "training", "paused": "paused", "stopping": "stopping", "finished": "finished",
    "stopped": "stopped", "failed": "failed", INTERRUPTED: "interrupted",
}  # fmt: skip

MARKS = {
    "starting": "●", "running": "●", "paused": "‖", "stopping": "◌", "finished": "✓", "stopped": "■", "failed": "✗",
    INTERRUPTED: "✗",
}  # fmt: skip
"""A character for each, so that no status is told by color alone."""


WRONG = "went wrong"
"""Stands for the status of a run that ended worse than it began."""


def word(status: str) -> str:
    return WORDS.get(status, status)


def mark(status: str) -> str:
    return MARKS.get(status, "●")
