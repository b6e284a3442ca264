"""Whether there is anything new in the runs, and in the queue."""

from __future__ import annotations

from tui_finetune.errors import UserError
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.queue import Queue
from tui_finetune.runs.queue_status import counts

Stamp = tuple[int, int, bool]


def stamp_of(run: RunDirectory) -> Stamp:
    """Changes when there is something new to say about a run."""
    try:
        events = run.events_path.stat()
        return events.st_mtime_ns, events.st_size, run.is_live
    except OSError:
        return 0, 0, run.is_live


def queue_line() -> str:
    """What waits in the queue, in a line; '' where nothing does."""
    queue = Queue()
    try:
        runs = [run for run in queue.runs() if run.state != "ended"]
        told = counts(runs, running=queue.is_running)
    except UserError as error:
        return error.message
    return f"queue: {told}   q shows it" if told else ""
