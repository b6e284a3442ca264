"""A run without the app: trained in a worker thread, signals and display in the main thread."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from contextlib import closing
from types import FrameType
from typing import TYPE_CHECKING

from tui_finetune.cli.choose_display import choose_display
from tui_finetune.cli.displays import Display, JsonDisplay, ending_lines
from tui_finetune.cli.output import write_error, write_line
from tui_finetune.errors import UserError
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.removal import discard_run
from tui_finetune.runs.result import RunResult
from tui_finetune.runs.watch import Watch
from tui_finetune.system.allocator import keep_freed_memory
from tui_finetune.system.background import let_go_of_terminal
from tui_finetune.system.files import PRIVATE_FILE
from tui_finetune.system.output import keep_terminal, output_to
from tui_finetune.system.stopping import Press, Stopping

if TYPE_CHECKING:
    from tui_finetune.config.resolve import Resolved
    from tui_finetune.config.schema import RunConfig
    from tui_finetune.training.launch import Launch

TICK_SECONDS = 0.1


class Signals:
    """Turns signals into what they ask of the run: the first stops and saves, the third ctrl+c ends the process at once.

    Attributes:
        numbers: the signals that counted, in order.
        hung_up: whether the terminal has gone away.
    """

    def __init__(self, launch: Launch, duplicates: list[int]) -> None:
        self.numbers: list[int] = []
        self.hung_up = False
        self._launch = launch
        self._stopping = Stopping()
        self._duplicates = duplicates
        self._on_terminal = sys.stdout.isatty()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._stop)
        signal.signal(signal.SIGHUP, self._hang_up)

    def _stop(self, number: int, _: FrameType | None) -> None:
        press = self._stopping.press()
        if press is not Press.NOTHING:
            self.numbers.append(number)
        if press is Press.STOP:
            self._launch.stop(signal.Signals(number).name)
        elif press is Press.END and self.numbers.count(signal.SIGINT) >= 3:
            # Only what is committed counts, so ending in the middle of a save harms nothing that was saved.
            self._launch.end_at_once()
            os._exit(128 + number)

    def _hang_up(self, *_: object) -> None:
        self.hung_up = self._on_terminal
        let_go_of_terminal(self._duplicates)


def train_new(run: RunDirectory, resolved: Resolved, *, json_output: bool) -> int:
    """Train a new run, whose directory is made already, and return the exit status."""
    return _train(run, resolved, {}, "Training", json_output=json_output)


def resume_run(run: RunDirectory, changes: Mapping[str, object], *, json_output: bool) -> int:
    """Resume a run, with changes to its settings, and return the exit status."""
    return _train(run, None, changes, "Resuming", json_output=json_output)


def _train(
    run: RunDirectory, resolved: Resolved | None, changes: Mapping[str, object], doing: str, *, json_output: bool
) -> int:
    duplicates = keep_terminal()
    with closing(choose_display(json=json_output)) as display:
        display.say(f"{doing} {run.name} in {run.path}")
        from tui_finetune.training.launch import launch as prepare

        launch = prepare(run, resolved, changes, own_output=False)
        try:
            run.log_path.touch(mode=PRIVATE_FILE)
        except OSError as error:
            raise UserError(
                f"{run.log_path}: {error.strerror}", "the run's directory must be there and writable"
            ) from None
        keep_freed_memory()
        signals = Signals(launch, duplicates)
        watch = Watch(run)
        with output_to(run.log_path):
            _show(launch, watch, signals, display)
        if launch.failure is not None:
            raise launch.failure
        if (result := launch.result) is None:
            raise UserError(
                f"{run.name} ended without a word", f"see {run.log_path}; `finetune-tui resume {run.name}` continues"
            )
        return _end(result, watch, signals, display, is_new=resolved is not None)


def _show(launch: Launch, watch: Watch, signals: Signals, display: Display) -> None:
    """Train, and show it, to its end."""
    told, is_there, run = 0, True, launch.run
    watch.poll()  # what a resumed run has told before is no news
    warned = Warned(watch)
    launch.begin()
    try:
        while not launch.wait(TICK_SECONDS):
            if not signals.hung_up:
                display.show(watch.poll(), watch.state)
                told = _tell_signals(signals, display, told)
                warned.tell(display)
            if is_there and not run.events_path.exists() and watch.state.starts:
                is_there = False
                display.say(f"warning: {run.path} is gone; the training continues, but nothing is logged any more")
                display.say("hint: the final model will be written there; end it with ctrl+c, or let it finish")
        display.show(watch.poll(), watch.state)
        display.close()
    except BaseException:
        # Whatever is wrong with the display, nothing of the run is lost.
        launch.stop()
        launch.wait()
        raise


class Warned:
    """Says what is found wrong with a run as soon as it is, each kind once while it is so.

    Args:
        watch: the run.
    """

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._config: RunConfig | None = None
        self._told: set[str] = set()

    def tell(self, display: Display) -> None:
        """Say what is new."""
        if isinstance(display, JsonDisplay) or not self._watch.state.losses:
            return
        if self._config is None:
            try:
                self._config = self._watch.run.read_config()
            except UserError:
                return
        found = {
            finding.kind: finding
            for finding in self._watch.verdict(self._config).findings
            if finding.level in {"warning", "error"} and finding.kind != "spike"  # its own event has told that
        }
        for kind, finding in found.items():
            if kind not in self._told:
                display.say(f"warning: {finding.message}")
                if finding.remedy:
                    display.say(f"hint: {finding.remedy}")
        self._told = set(found)


def _tell_signals(signals: Signals, display: Display, told: int) -> int:
    count = len(signals.numbers)
    if count > told:
        words = {1: "stopping: finishing the step and saving", 2: "saving; once more ends at once, without saving"}
        display.say(words.get(count, words[2]))
    return count


def _end(result: RunResult, watch: Watch, signals: Signals, display: Display, *, is_new: bool) -> int:
    if result.error is not None:
        write_error(result.error)
        if not result.began and is_new:
            discard_run(watch.run)
            return 2
        return 1 if result.began else 2
    if not isinstance(display, JsonDisplay):
        # Told by the session itself: its log may have been taken away.
        watch.state.status = result.status
        watch.state.result = result
        for line in ending_lines(watch):
            write_line(line)
    return 128 + signals.numbers[0] if signals.numbers else 0
