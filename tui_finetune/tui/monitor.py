"""The runs: the one that is watched, through its event log, and the one that is trained by this program."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from tui_finetune.errors import UserError
from tui_finetune.tui.host import Host

if TYPE_CHECKING:
    # What reads runs is imported when there is one: the app's first frame comes before.
    from tui_finetune.config.resolve import Resolved
    from tui_finetune.planning.plan import Plan
    from tui_finetune.runs.control import Action
    from tui_finetune.runs.directory import RunDirectory
    from tui_finetune.runs.watch import Watch
    from tui_finetune.training.launch import Launch

DRAW_SECONDS, BUSY_DRAW_SECONDS = 1.0, 5.0
"""Between two drawings of numbers that only move; on a machine that has more to do than it can, of who only watches."""

BUSY = 1.25
"""A machine on which so many threads wait for each core is busy."""

_TELLING = frozenset({"status", "phase", "checkpoint", "sample", "notice"})
"""Events of these types are shown at once."""


def is_busy() -> bool:
    """Whether the machine has more to do than it can."""
    return os.getloadavg()[0] > BUSY * (os.cpu_count() or 1)


Start = Callable[["RunDirectory", "Resolved | None", "Mapping[str, object]"], "Launch"]
"""Prepares a run: of a configuration, or without one resuming what is there, with changes. It begins by `begin`."""


def start_run(run: RunDirectory, resolved: Resolved | None, changes: Mapping[str, object]) -> Launch:
    """Prepare a run in a thread of this process, or in processes of their own where it has several."""
    from tui_finetune.training.launch import launch

    return launch(run, resolved, changes)


class Monitor:
    """Watches runs, and starts them.

    Args:
        host: the app.
        start: prepares a training.
        clock: seconds that never go back.

    Attributes:
        watched: the run that the Training screen shows.
        launch: the training that this program began last; None before the first.
        on_news: called when there is something new to show of the run that is watched.
        on_watch: called when another run is watched.
    """

    def __init__(self, host: Host, start: Start = start_run, clock: Callable[[], float] = time.monotonic) -> None:
        self.watched: Watch | None = None
        self.launch: Launch | None = None
        self.on_news: Callable[[], None] = lambda: None
        self.on_watch: Callable[[], None] = lambda: None
        self._host = host
        self._start = start
        self._clock = clock
        self._unseen = False
        self._drawn_at = -DRAW_SECONDS

    # Training

    @property
    def is_training(self) -> bool:
        """Whether this program trains, or is about to."""
        return self.launch is not None and self.launch.is_alive

    def train(self, resolved: Resolved) -> None:
        """Train a configuration."""
        if self._is_free():
            from tui_finetune.runs.naming import create_run

            try:
                run = create_run(resolved.config)
                self._prepare(run, resolved, {})
            except UserError as error:
                self._host.refuse(error, "Not yet")

    def resume(self, run: RunDirectory, changes: Mapping[str, object] | None = None) -> None:
        """Resume a run that has ended.

        Args:
            run: the run.
            changes: settings that are to be others; left out, what the run itself advises where memory was too small.
        """
        if self._is_free():
            try:
                self._prepare(run, None, _advised(run) if changes is None else changes)
            except UserError as error:
                self._host.refuse(error)

    def _is_free(self) -> bool:
        if self.is_training:
            self._host.say("A run is in progress. Stop it with ctrl+c first.", severity="warning")
        return not self.is_training

    def _prepare(self, run: RunDirectory, resolved: Resolved | None, changes: Mapping[str, object]) -> None:
        # Made here and now: what is asked of the run from this moment on, it obeys.
        self.launch = self._start(run, resolved, changes)
        self.watch(run)

    def _trains(self, run: RunDirectory) -> bool:
        return self.launch is not None and self.launch.is_alive and self.launch.run.path == run.path

    # Watching

    def watch(self, run: RunDirectory, *, show: bool = True) -> None:
        """Watch a run, whoever trains it, and show it on the Training screen unless that is not wanted."""
        from tui_finetune.runs.watch import Watch

        self.watched = Watch(run, lambda: self._trains(run))
        self.watched.poll()
        if show:
            self.on_watch()
        else:
            self.on_news()

    @property
    def is_going(self) -> bool:
        """Whether the run that is watched is going, in this process or in another."""
        if self.watched is None:
            return False
        return self._trains(self.watched.run) or (not self.watched.state.is_over and self.watched.is_live)

    def request(self, action: Action, **fields: object) -> str | None:
        """Ask something of the run that is watched, and return the request's id; None, with a word to the user, where no
        run is going."""
        if self.watched is None or not self.is_going:
            self._host.say("No run is in progress. ctrl+r starts one.", severity="warning")
            return None
        return self.watched.run.request(action, **fields)

    @property
    def draw_seconds(self) -> float:
        """Seconds between two drawings of what only moves: twenty who watch must not slow down whoever trains."""
        return BUSY_DRAW_SECONDS if not self.is_training and is_busy() else DRAW_SECONDS

    def poll(self) -> None:
        """Take in what is new of the run that is watched, and tell it where it is worth drawing."""
        if self.watched is None:
            return
        before = self.watched.status
        news = self.watched.poll()
        self._unseen = self._unseen or bool(news)
        # On a CPU every drawing is taken from the training: while it goes, numbers that only move are drawn once a second.
        telling = self.watched.state.phase != "training" or any(event.type in _TELLING for event in news)
        due = telling or self._clock() - self._drawn_at >= self.draw_seconds
        if self.watched.status != before or (self._unseen and due):
            self._unseen, self._drawn_at = False, self._clock()
            self.on_news()

    def time_left(self, plan: Plan | None) -> float | None:
        """Seconds that are left of the run that is watched, where it is going and is a run of this plan."""
        if plan is None or self.watched is None or not self.is_going:
            return None
        state, config = self.watched.state, plan.config
        same = (state.model, state.dataset, state.total_steps) == (
            config.model_name_or_path,
            config.dataset_name,
            plan.steps,
        )
        return state.pace.seconds_left(state.step, state.total_steps) if same else None

    def light(self) -> tuple[str, ...]:
        """A few words on the run, for the corner of every screen; shorter ones after them."""
        if self.watched is None:
            return ("",)
        from tui_finetune.runs.status import WRONG, mark, word

        state, status = self.watched.state, self.watched.status
        if status == "running" and state.total_steps:
            share = f"{100 * state.step // state.total_steps} %"
            return f"● {self.watched.run.name}  {share}", f"● {share}"
        result = state.result
        if status in {"finished", "stopped"} and result is not None and result.verdict and result.verdict.went_wrong:
            return f"{mark('failed')} {WRONG}", mark("failed")
        return f"{mark(status)} {word(status)}", mark(status)

    # Runs found on opening

    def look_for_runs(self) -> None:
        """Where a run of this machine is going, offer to watch it; where the newest was interrupted, say so."""
        if self.watched is not None:
            return

        def work() -> None:
            from tui_finetune.runs.registry import known_runs
            from tui_finetune.runs.summary import load_state

            known = [run for run in known_runs() if run.is_readable]
            going = next((run for run in known if run.is_live), None)
            if going is not None:
                state = load_state(going, brief=True)
                self._host.back(lambda: self._offer(going, state.step, state.total_steps))
            elif known and not (state := load_state(known[0], brief=True)).is_over and state.starts:
                step = state.step
                self._host.back(lambda: self._tell_interrupted(known[0], step))

        self._host.work(work, group="runs", description="looking for runs")

    @property
    def _is_untouched(self) -> bool:
        """Whether no run is watched and no dialog is open."""
        return self.watched is None and not self._host.has_dialog()

    def _offer(self, run: RunDirectory, step: int, total: int | None) -> None:
        from tui_finetune.tui.question import Choice, Question

        if not self._is_untouched:
            return
        done = f" It is at step {step:,} of {total:,}." if total else ""

        def answered(answer: str | None) -> None:
            if answer == "watch":
                self.watch(run)

        question = Question(
            f"{run.name} is running in the background.",
            f"You can watch it here, and pause, save or stop it.{done}",
            (Choice("watch", "w", "Watch it"), Choice("stay", "escape", "Not now")),
        )
        self._host.ask(question, answered)

    def _tell_interrupted(self, run: RunDirectory, step: int) -> None:
        if not self._is_untouched:
            return
        self.watch(run, show=False)
        self._host.say(
            f"It was at step {step:,} when its process ended. 4 shows it; there r resumes it from its newest checkpoint.",
            title=f"{run.name} was interrupted",
            severity="warning",
            seconds=10,
        )


def _advised(run: RunDirectory) -> Mapping[str, object]:
    """The settings that a run itself advises to resume with, where memory was too small."""
    from tui_finetune.runs.summary import load_state

    result = load_state(run, brief=True).result
    return result.first_changes if result else {}
