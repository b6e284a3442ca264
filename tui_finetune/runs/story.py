"""What happened in a run, a line for each event that a person wants to know of."""

from __future__ import annotations

from dataclasses import dataclass

from tui_finetune.errors import Level
from tui_finetune.formatting import duration, size
from tui_finetune.runs.events import (
    CheckEvent,
    CheckpointEvent,
    Event,
    MetricsEvent,
    NoticeEvent,
    SpikeEvent,
    StatusEvent,
)


@dataclass(frozen=True)
class Happened:
    """One line of the story.

    Attributes:
        time: Unix seconds, None where the log doesn't say.
        level: 'warning' and 'error' stand out.
        words: what happened.
        remedy: what to do about it.
    """

    time: float | None
    level: Level
    words: str
    remedy: str = ""


def happened(event: Event) -> Happened | None:
    """The line of an event; None where it has none."""
    if isinstance(event, NoticeEvent):
        return Happened(event.time, event.notice.level, event.notice.message, event.notice.remedy)
    words = _words(event)
    level: Level = "error" if isinstance(event, StatusEvent) and event.status == "failed" else "info"
    level = "warning" if isinstance(event, SpikeEvent) else level
    return Happened(event.time, level, words) if words else None


def _words(event: Event) -> str:
    if isinstance(event, StatusEvent):
        return _status_words(event)
    if isinstance(event, CheckpointEvent):
        took = f" in {duration(event.seconds)}" if event.seconds is not None else ""
        weight = f", {size(event.bytes)}" if event.bytes is not None else ""
        return f"Saved step {event.step:,}{took}{weight}" + (", the best so far." if event.best else ".")
    if isinstance(event, MetricsEvent) and (loss := event.values.get("eval_loss")) is not None:
        if event.before_training:
            return f"Evaluated before training: {loss:.4f}."
        asked = " (asked for)" if event.asked_for else ""
        return f"Evaluated at step {event.step:,}: {loss:.4f}{asked}."
    if isinstance(event, CheckEvent):
        return check_words(event)
    if isinstance(event, SpikeEvent):
        return f"The loss spiked at step {event.step:,}: {event.loss:.2f}, where {event.usual:.2f} is usual."
    return ""


def _status_words(event: StatusEvent) -> str:
    if event.status == "starting":
        return resume_words(event) or f"Started: {event.model} on {event.dataset}."
    why = f": {event.reason}" if event.reason else ""
    known = {
        "running": "Training.", "paused": "Paused.", "stopping": f"Stopping{why}.", "finished": "Finished.",
        "stopped": f"Stopped{why}.", "failed": f"Failed{why}.",
    }  # fmt: skip
    return known.get(event.status, "")


def resume_words(event: StatusEvent) -> str:
    """How a resumed run begins; '' for a new one."""
    if event.status != "starting" or event.resumed_from is None:
        return ""
    return f"Resuming from step {event.resumed_from:,}." if event.resumed_from else "Beginning again, from step 0."


def check_words(event: CheckEvent) -> str:
    """What the check before training found: 'Checked: needs 2.1 GB of memory (2.3 GB estimated), ...'."""
    parts = []
    if event.needed is not None:
        estimated = f" ({size(event.estimated)} estimated)" if event.estimated is not None else ""
        parts.append(f"needs {size(event.needed)} of memory{estimated}")
    if event.batch_seconds is not None:
        parts.append(f"a batch takes {duration(event.batch_seconds)}")
    if event.training_seconds is not None:
        parts.append(f"training about {duration(event.training_seconds)}")
    return f"Checked: {', '.join(parts)}." if parts else "Checked."
