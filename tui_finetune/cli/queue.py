"""`finetune-tui queue`: trains the runs that wait, one after the other; lists and changes them."""

from __future__ import annotations

import json
import os
import signal
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from tui_finetune.cli.flags import add_settings, given_settings, resolved_from
from tui_finetune.cli.output import write_line
from tui_finetune.cli.tables import table
from tui_finetune.errors import UserError
from tui_finetune.runs.status import word

if TYPE_CHECKING:
    from tui_finetune.cli.displays import Display
    from tui_finetune.config.resolve import Resolved
    from tui_finetune.runs.queue import Queue, QueuedRun
    from tui_finetune.runs.watch import Watch
    from tui_finetune.training.queue import Going, QueueRunner

HELP = "Train the runs in the queue, one after the other; list, add, move or remove them."

_DEEDS = ("run", "list", "add", "move", "remove", "clear")


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("deed", nargs="?", choices=_DEEDS, default="run", metavar="run, list, add, move, remove or clear",
                        help="run (if left out); list; add [CONFIG.yaml]; move N TO; remove N ...; clear what has ended")  # fmt: skip
    parser.add_argument("names", nargs="*", metavar="N", help="numbers in the list, or names of runs; for add, a file")
    parser.add_argument("--at_once", "--at-once", type=int, metavar="INT", help="runs at once [one for each GPU]")
    parser.add_argument("--json", action="store_true", help="with list: as JSON")
    add_settings(parser)


def run(arguments: Namespace) -> int:
    from tui_finetune.runs.queue import Queue

    queue, deed = Queue(), arguments.deed
    if deed != "add" and (given := given_settings(arguments)):
        raise UserError(f"'--{next(iter(given))}' is not understood", "settings go with `finetune-tui queue add`")
    if deed == "add":
        return _add(arguments)
    if deed == "list":
        return _list(queue, as_json=arguments.json)
    if deed == "move":
        return _move(queue, arguments.names)
    if deed == "remove":
        return _remove(queue, arguments.names)
    if deed == "clear":
        count = queue.clear_ended()
        write_line(f"{count} that had ended {'is' if count == 1 else 'are'} off the list")
        return 0
    if arguments.at_once is not None and arguments.at_once < 1:
        raise UserError(f"at_once: {arguments.at_once} is not allowed", "use a whole number, 1 or more")
    return run_queue(queue, arguments.at_once)


# Adding


def _add(arguments: Namespace) -> int:
    if len(arguments.names) > 1:
        raise UserError("one run is added at a time", "`finetune-tui queue add CONFIG.yaml`")
    arguments.config_file = arguments.names[0] if arguments.names else None
    return enqueue(resolved_from(arguments))


def enqueue(resolved: Resolved) -> int:
    """Put a run at the end of the queue."""
    from tui_finetune.planning.precheck import precheck
    from tui_finetune.runs.queue import Queue
    from tui_finetune.training.queue import queued_here

    precheck(resolved.config)
    queue = Queue()
    queue.add([queued_here(resolved)])
    waiting = sum(run.state == "waiting" for run in queue.runs())
    how = "its turn comes" if queue.is_running else "`finetune-tui queue` trains it"
    write_line(f"queued; {waiting} {'waits' if waiting == 1 else 'wait'}; {how}")
    return 0


# Listing and changing


def _list(queue: Queue, *, as_json: bool) -> int:
    runs = queue.runs()
    from tui_finetune.runs.queue_status import status_words

    if as_json:
        write_line(json.dumps({"running": queue.is_running, "runs": [run.to_fields() for run in runs]}, indent=1))
        return 0
    if not runs:
        write_line("the queue is empty; `finetune-tui sweep` and `finetune-tui queue add` fill it")
        return 0
    rows = [(str(place), run.name or "-", status_words(run)[1], run.title) for place, run in enumerate(runs, 1)]
    for line in table(("", "run", "status", "what"), rows, right=frozenset({0})):
        write_line(line)
    if not queue.is_running and any(run.state != "ended" for run in runs):
        write_line("nobody trains them; `finetune-tui queue` does")
    return 0


def _named(runs: Sequence[QueuedRun], name: str) -> QueuedRun:
    """The run of that number in the list, or of that name."""
    if name.isdigit() and 0 < int(name) <= len(runs):
        return runs[int(name) - 1]
    found = [run for run in runs if run.name == name or run.id == name]
    if not found:
        raise UserError(f"there is no run '{name}' in the queue", "`finetune-tui queue list` shows their numbers")
    return found[-1]


def _move(queue: Queue, names: Sequence[str]) -> int:
    if len(names) != 2 or not names[1].isdigit():
        raise UserError("moving takes a run and the place where it is to go", "`finetune-tui queue move 5 2`")
    runs = queue.runs()
    moved = _named(runs, names[0])
    if moved.state != "waiting":
        raise UserError(f"{moved.name} does not wait any more", "only runs that wait are moved")
    waiting = [run.id for run in runs if run.state == "waiting"]
    before = sum(run.state == "waiting" for run in runs[: max(int(names[1]) - 1, 0)])
    target = min(before, len(waiting) - 1)
    queue.move(moved.id, target - waiting.index(moved.id))
    return _list(queue, as_json=False)


def _remove(queue: Queue, names: Sequence[str]) -> int:
    if not names:
        raise UserError("no run is named", "`finetune-tui queue remove N`; `finetune-tui queue list` shows the numbers")
    runs = queue.runs()
    removed = [_named(runs, name) for name in names]
    queue.remove([run.id for run in removed])
    for run in removed:
        write_line(f"{run.name or run.title} is out of the queue" + ("; the run itself stays" if run.run else ""))
    return 0


# Training


class _Signals:
    """The first signal saves and ends the runs that are going; the queue keeps them. The third ctrl+c ends at once."""

    def __init__(self, runner: QueueRunner) -> None:
        from tui_finetune.system.background import let_go_of_terminal
        from tui_finetune.system.output import keep_terminal
        from tui_finetune.system.stopping import Stopping

        self.number = 0
        self._runner = runner
        self._stopping = Stopping()
        duplicates = keep_terminal()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._stop)
        signal.signal(signal.SIGHUP, lambda *_: let_go_of_terminal(duplicates))

    def _stop(self, number: int, _: FrameType | None) -> None:
        from tui_finetune.system.stopping import Press

        press = self._stopping.press()
        if press is Press.STOP:
            self.number = number
            self._runner.stop(signal.Signals(number).name)
        elif press is Press.END:
            self._runner.end_at_once()
            os._exit(128 + number)


class _Shown:
    """What is shown while the queue is run: of one run at a time all of it, of several only how they begin and end."""

    def __init__(self, queue: Queue, *, alone: bool) -> None:
        self.ended: list[QueuedRun] = []
        self._queue = queue
        self._alone = alone
        self._display: Display | None = None
        self._watch: Watch | None = None

    def begin(self, going: Going) -> None:
        from tui_finetune.cli.choose_display import choose_display
        from tui_finetune.runs.watch import Watch

        waiting = sum(run.state == "waiting" for run in self._queue.runs())
        more = f", {waiting} more {'waits' if waiting == 1 else 'wait'}" if waiting else ""
        write_line(f"training {going.run.name}: {going.queued.title}{more}")
        if self._alone:
            self._watch = Watch(going.run)
            self._watch.poll()  # what a resumed run has told before is no news
            self._display = choose_display(json=False)

    def look(self) -> None:
        """Show what is new."""
        if self._display is not None and self._watch is not None:
            self._display.show(self._watch.poll(), self._watch.state)

    def end(self, queued: QueuedRun) -> None:
        self.close()
        self.ended.append(queued)
        reason = f": {queued.reason}" if queued.reason else ""
        write_line(f"{queued.name or queued.title} {word(queued.status)}{reason}")

    def close(self) -> None:
        """Show the last of it."""
        self.look()
        if self._display is not None:
            self._display.close()
        self._display = self._watch = None


def run_queue(queue: Queue, at_once: int | None) -> int:
    """Train what waits until nothing does; 1 where a run has failed, 128+n where signal n ended it.

    Raises:
        UserError: the queue is being run already, or there are not so many GPUs.
    """
    from tui_finetune.runs.queue import RunnerLock
    from tui_finetune.training.queue import LOOK_SECONDS, QueueRunner, devices_for

    devices = devices_for(at_once)
    shown = _Shown(queue, alone=len(devices) == 1)
    with RunnerLock(queue):
        if all(run.state == "ended" for run in queue.runs()):
            write_line("nothing waits in the queue; `finetune-tui sweep` and `finetune-tui queue add` fill it")
            return 0
        runner = QueueRunner(queue, devices, shown.begin, shown.end)
        signals = _Signals(runner)
        told = False
        try:
            while runner.step():
                shown.look()
                if signals.number and not told:
                    told = True
                    write_line("stopping: finishing the step and saving; the queue goes on when it is run again")
                time.sleep(LOOK_SECONDS)
        finally:
            shown.close()
    for line in outcome_lines(shown.ended):
        write_line(line)
    if signals.number:
        return 128 + signals.number
    return 1 if any(run.status == "failed" for run in shown.ended) else 0


def outcome_lines(ended: Sequence[QueuedRun]) -> list[str]:
    """A table of runs that have ended: what came of each, and the settings in which they differ."""
    from tui_finetune.runs.compare import compared, side_by_side
    from tui_finetune.runs.directory import RunDirectory

    runs = [run for queued in ended if queued.run and (run := RunDirectory(Path(queued.run))).exists]
    if not runs:
        return []
    header, rows = side_by_side([compared(run) for run in runs])
    return ["", *table(header, rows, right=frozenset(range(2, len(header))))]
