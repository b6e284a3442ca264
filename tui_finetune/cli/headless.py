"""A run without the app: trained in a worker thread, signals and display in the main thread."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import closing
from types import FrameType
from typing import TYPE_CHECKING

from tui_finetune.cli.displays import Display, JsonDisplay, choose_display, ending_lines
from tui_finetune.cli.output import write_error, write_line
from tui_finetune.errors import UserError
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.removal import discard_run
from tui_finetune.runs.watch import Watch
from tui_finetune.system.allocator import keep_freed_memory
from tui_finetune.system.background import let_go_of_terminal
from tui_finetune.system.files import PRIVATE_FILE
from tui_finetune.system.output import keep_terminal, output_to

if TYPE_CHECKING:
    from tui_finetune.config.resolve import Resolved
    from tui_finetune.runs.result import RunResult
    from tui_finetune.training.session import TrainingSession

TICK_SECONDS = 0.1

BURST_SECONDS = 0.25
"""Signals that follow each other faster are one: a held key, or a supervisor that sends several."""


class Stopper:
    """Turns signals into requests: the first saves and ends the run, the third ends the process at once."""

    def __init__(self, run: RunDirectory, duplicates: list[int]) -> None:
        self.run = run
        self.signals: list[int] = []
        self.hung_up = False
        self._duplicates = duplicates
        self._on_terminal = sys.stdout.isatty()
        self._last = -BURST_SECONDS
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._stop)
        signal.signal(signal.SIGHUP, self._hang_up)

    def _stop(self, number: int, _: FrameType | None) -> None:
        now = time.monotonic()
        burst, self._last = now - self._last < BURST_SECONDS, now
        if burst:
            return
        self.signals.append(number)
        if len(self.signals) == 1:
            self.run.request("stop", reason=signal.Signals(number).name)
        elif self.signals.count(signal.SIGINT) >= 3:
            # Only what is committed counts, so ending in the middle of a save harms nothing that was saved.
            os._exit(128 + number)

    def _hang_up(self, *_: object) -> None:
        self.hung_up = self._on_terminal
        let_go_of_terminal(self._duplicates)


def train_new(run: RunDirectory, resolved: Resolved, *, json_output: bool) -> int:
    """Make the directory of a new run, train it, and return the exit status."""
    duplicates = keep_terminal()
    with closing(choose_display(json=json_output)) as display:
        display.say(f"Training {run.name} in {run.path}")
        from tui_finetune.training.session import TrainingSession

        run.create()
        return train(TrainingSession(resolved, run), display, duplicates)


def resume_run(run: RunDirectory, changes: Mapping[str, object], *, json_output: bool) -> int:
    """Resume a run, with changes to its settings, and return the exit status."""
    duplicates = keep_terminal()
    with closing(choose_display(json=json_output)) as display:
        display.say(f"Resuming {run.name} in {run.path}")
        from tui_finetune.training.session import TrainingSession

        return train(TrainingSession.resume(run, changes), display, duplicates)


def train(session: TrainingSession, display: Display, duplicates: list[int]) -> int:
    """Run a session to its end and return the exit status.

    Args:
        session: what to train.
        display: where it is shown.
        duplicates: descriptors that lead to the terminal, for when it goes away.
    """
    run = session.directory
    try:
        run.log_path.touch(mode=PRIVATE_FILE)
    except OSError as error:
        raise UserError(f"{run.log_path}: {error.strerror}", "the run's directory must be there and writable") from None
    keep_freed_memory()
    stopper = Stopper(run, duplicates)
    watch = Watch(run)
    outcomes: list[RunResult] = []
    failures: list[BaseException] = []

    def work() -> None:
        try:
            outcomes.append(session.run())
        except BaseException as error:
            failures.append(error)

    told = 0
    is_there = True
    with output_to(run.log_path):
        # A daemon, so that a third ctrl+c ends the process whatever the thread does.
        thread = threading.Thread(target=work, name="training", daemon=True)
        thread.start()
        try:
            while thread.is_alive():
                thread.join(TICK_SECONDS)
                if not stopper.hung_up:
                    display.show(watch.poll(), watch.state)
                    told = _tell_signals(stopper, display, told)
                if is_there and not run.events_path.exists() and watch.state.starts:
                    is_there = False
                    display.say(f"warning: {run.path} is gone; the training goes on, but nothing is logged any more")
                    display.say("hint: the final model will be written there; end it with ctrl+c, or let it finish")
            display.show(watch.poll(), watch.state)
            display.close()
        except BaseException:
            # Whatever is wrong with the display, nothing of the run is lost.
            run.request("stop")
            thread.join()
            raise
    if failures:
        raise failures[0]
    return _end(outcomes[0], watch, stopper, display, session)


def _tell_signals(stopper: Stopper, display: Display, told: int) -> int:
    count = len(stopper.signals)
    if count > told:
        words = {1: "stopping: finishing the step and saving", 2: "saving; once more ends at once, without saving"}
        display.say(words.get(count, words[2]))
    return count


def _end(outcome: RunResult, watch: Watch, stopper: Stopper, display: Display, session: TrainingSession) -> int:
    if outcome.error is not None:
        write_error(outcome.error)
        if not outcome.began and not session.go_on:
            discard_run(session.directory)
            return 2
        return 1 if outcome.began else 2
    if not isinstance(display, JsonDisplay):
        # Told by the session itself: its log may have been taken away.
        watch.state.status = outcome.status
        watch.state.result = outcome
        for line in ending_lines(watch):
            write_line(line)
    return 128 + stopper.signals[0] if stopper.signals else 0
