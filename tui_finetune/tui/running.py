"""The app and its runs: the one that is trained here, the one that is watched, and how they are stopped and left."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual import events
from textual.app import App
from textual.screen import Screen
from textual.worker import Worker, WorkerState

from tui_finetune.errors import UserError
from tui_finetune.runs.control import Action
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.events import CheckpointEvent, NoticeEvent, PhaseEvent, SampleEvent, StatusEvent
from tui_finetune.runs.status import mark, word
from tui_finetune.runs.summary import load_state
from tui_finetune.runs.watch import Watch
from tui_finetune.system.output import output_to
from tui_finetune.tui.screens.base import TabScreen

if TYPE_CHECKING:
    from tui_finetune.config.resolve import Resolved
    from tui_finetune.runs.state import RunState

DRAW_SECONDS = 1.0
_TELLING = (StatusEvent, PhaseEvent, CheckpointEvent, SampleEvent, NoticeEvent)


def _advised(run: RunDirectory) -> Mapping[str, object]:
    """The settings that a run itself advises to resume with, where memory was too small."""
    result = load_state(run, brief=True).result
    return result.first_changes if result else {}


class RunningApp(App[int]):
    """An app that trains runs in a worker thread and watches them, its own or others, through their event logs.

    Args:
        log_path: where the output of libraries goes while no run is going.

    Attributes:
        watched: the run that the Training screen shows.
        own_run: the run that this process trains, or trained last.
        training_here: whether it is going; `training_over` is set when its thread is done with it.
        ended_at_once: whether the process must end without waiting for the training thread.
        crash: what was wrong, in a line, where a bug has ended the app. Its run, if it has one, goes on.
    """

    def __init__(self, log_path: Path | None = None) -> None:
        super().__init__()
        self.watched: Watch | None = None
        self.own_run: RunDirectory | None = None
        self.training_here = False
        self.training_over = threading.Event()
        self.ended_at_once = False
        self.crash = ""
        self._work_to_begin: Callable[[], None] | None = None
        self._log_path = log_path
        self._unseen = False
        self._drawn_at = 0.0
        self._stop_presses = 0
        self._question: Screen[Any] | None = None
        self._status_when_over: int | None = None

    @property
    def tab_screen(self) -> TabScreen | None:
        """The tab that is in front, also under a dialog."""
        return next((s for s in reversed(self.screen_stack) if isinstance(s, TabScreen)), None)

    def on_print(self, event: events.Print) -> None:
        """What libraries print in this process goes where descriptor 2 leads: to a log."""
        if self._log_path is not None:
            os.write(2, event.text.encode("utf-8", "replace"))

    # Training and watching

    def resume_run(self, run: RunDirectory, changes: Mapping[str, Any] | None = None) -> None:
        """Go on with a run that has ended.

        Args:
            run: the run.
            changes: settings that are to be others; left out, what the run itself advises where memory was too small.
        """
        if self.is_busy:
            self.notify("A run is going. Stop it with ctrl+c first.", severity="warning", markup=False)
            return
        try:
            self._train(run, None, changes or _advised(run))
        except UserError as error:
            self.notify(f"{error.message}\n{error.remedy}", title="Can't do that", severity="error", markup=False)

    def _train(self, run: RunDirectory, resolved: Resolved | None, changes: Mapping[str, Any] | None = None) -> None:
        from tui_finetune.training.session import TrainingSession

        # Made here and now: what is asked of the run from this moment on, it obeys.
        session = TrainingSession.resume(run, changes) if resolved is None else TrainingSession(resolved, run)
        over = threading.Event()

        def work() -> None:
            try:
                with output_to(run.log_path) if self._log_path else contextlib.nullcontext():
                    session.run()
            finally:
                over.set()

        self.own_run, self.training_here, self.training_over = run, True, over
        self._work_to_begin = work
        self.watch_run(run)
        self._begin_when_drawn()

    def _begin_when_drawn(self) -> None:
        """Begin the training once its screen is drawn, which the heavy imports would hold up."""
        screen = self.tab_screen
        if screen is not None and screen.is_mounted:
            screen.call_after_refresh(self._begin_now)
        else:
            self.set_timer(0.05, self._begin_when_drawn)

    def _begin_now(self) -> None:
        work, self._work_to_begin = self._work_to_begin, None
        if work is not None and self.own_run is not None:
            self.run_worker(
                work, thread=True, group="training", exit_on_error=False, description=f"training {self.own_run.name}"
            )

    @property
    def training_has_begun(self) -> bool:
        """Whether the training thread has been started, where a run is to be trained here."""
        return self._work_to_begin is None

    def _trains(self, run: RunDirectory) -> bool:
        return self.training_here and self.own_run is not None and self.own_run.path == run.path

    def watch_run(self, run: RunDirectory) -> None:
        """Show a run on the Training screen, whoever trains it."""
        self.watched = Watch(run, lambda: self._trains(run))
        self.watched.poll()
        self._stop_presses = 0
        if not self.is_running:
            return  # its first screen shows it
        if self.current_mode == "training":
            if (screen := self.tab_screen) is not None and screen.is_mounted:
                screen.run_changed()
        else:
            self.switch_mode("training")

    @property
    def is_busy(self) -> bool:
        """Whether this process trains."""
        return self.training_here

    @property
    def run_is_going(self) -> bool:
        """Whether the run that is watched is going, here or elsewhere."""
        if self.watched is None:
            return False
        return self._trains(self.watched.run) or (not self.watched.state.is_over and self.watched.is_live)

    def request(self, action: Action, **fields: object) -> str | None:
        """Ask something of the run that is watched, and return the request's id; None, with a word to the user, where none
        is going."""
        if self.watched is None or not self.run_is_going:
            self.notify("No run is going. ctrl+r starts one.", severity="warning", markup=False)
            return None
        return self.watched.run.request(action, **fields)

    def _poll_run(self) -> None:
        self._leave_if_over()
        if self.watched is None:
            return
        before = self.watched.status
        news = self.watched.poll()
        self._unseen = self._unseen or bool(news)
        # On a CPU every drawing is taken from the training: while it goes, numbers that only move are drawn once a second.
        telling = self.watched.state.phase != "training" or any(isinstance(event, _TELLING) for event in news)
        due = telling or time.monotonic() - self._drawn_at >= DRAW_SECONDS
        changed = self.watched.status != before or (self._unseen and due)
        if changed and (screen := self.tab_screen) is not None and screen.is_mounted:
            self._unseen, self._drawn_at = False, time.monotonic()
            screen.run_changed()

    def run_light(self) -> tuple[str, ...]:
        """A few words on the run, for the corner of every screen; shorter ones after them."""
        if self.watched is None:
            return ("",)
        state, status = self.watched.state, self.watched.status
        if status == "running" and state.total_steps:
            share = f"{100 * state.step // state.total_steps} %"
            return f"● {self.watched.run.name}  {share}", f"● {share}"
        return f"{mark(status)} {word(status)}", mark(status)

    # Runs found on opening

    def look_for_runs(self) -> None:
        """Where a run of this machine is going, offer to watch it; where the newest was interrupted, say so."""
        if self.watched is not None:
            return

        def work() -> None:
            from tui_finetune.runs.registry import known_runs
            from tui_finetune.runs.summary import load_state

            known = known_runs()
            going = next((run for run in known if run.is_live), None)
            if going is not None:
                self.call_from_thread(self._offer, going, load_state(going, brief=True))
            elif known and not (state := load_state(known[0], brief=True)).is_over and state.starts:
                self.call_from_thread(self._tell_interrupted, known[0], state)

        self.run_worker(work, thread=True, group="runs", exit_on_error=False, description="looking for runs")

    @property
    def _is_untouched(self) -> bool:
        """Whether no run is watched and no dialog is open."""
        return self.watched is None and self.screen is self.tab_screen

    def _offer(self, run: RunDirectory, state: RunState) -> None:
        from tui_finetune.tui.dialogs.confirm import Choice, Confirm

        if not self._is_untouched:
            return
        done = f" It is at step {state.step:,} of {state.total_steps:,}." if state.total_steps else ""

        def answered(answer: str | None) -> None:
            if answer == "watch":
                self.watch_run(run)

        self.push_screen(
            Confirm(
                f"{run.name} is going in the background.",
                f"Watched, it can be paused, saved and stopped from here as well.{done}",
                [Choice("watch", "w", "Watch it"), Choice("stay", "escape", "Not now")],
            ),
            answered,
        )

    def _tell_interrupted(self, run: RunDirectory, state: RunState) -> None:
        if not self._is_untouched:
            return
        self.watched = Watch(run)
        self.watched.poll()
        if (screen := self.tab_screen) is not None and screen.is_mounted:
            screen.run_changed()
        self.notify(
            f"It was at step {state.step:,} when its process ended. 4 shows it; there r goes on from its newest checkpoint.",
            title=f"{run.name} was interrupted",
            severity="warning",
            timeout=10,
            markup=False,
        )

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """One handler for all workers: a run that has ended, and work that failed."""
        worker = event.worker
        if worker.group == "training" and self.training_over.is_set():
            self.training_here = False
            self._poll_run()  # which also leaves, where that was waited for
        if event.state == WorkerState.ERROR and worker.error is not None:
            self._work_failed(worker)

    def _fatal_error(self) -> None:
        """A bug in a screen ends the app, not its run; the traceback goes to the log and not to the terminal."""
        import traceback

        error = sys.exc_info()[1] or self._exception
        self.crash = f"{type(error).__name__}: {error}"
        if self._log_path is not None and error is not None:
            # Not by descriptor 2, which leads to the run's log while one is trained.
            with contextlib.suppress(OSError), self._log_path.open("a", encoding="utf-8", errors="replace") as log:
                traceback.print_exception(error, file=log)
        self._close_messages_no_wait()

    def _work_failed(self, worker: Worker[Any]) -> None:
        error = worker.error
        if isinstance(error, UserError):
            self.notify(f"{error.message}\n{error.remedy}", title="Can't do that", severity="error", markup=False)
        else:
            # A bug: say so in a line; the details are in the log.
            import traceback

            if self._log_path is not None and error is not None:
                os.write(2, "".join(traceback.format_exception(error)).encode("utf-8", "replace"))
            self.notify(
                f"{type(error).__name__}: {error}",
                title=f"Failed: {worker.description}",
                severity="error",
                markup=False,
                timeout=20,
            )

    # Stopping and leaving

    def _copied_selection(self) -> bool:
        from textual.widgets import Input, TextArea

        focused = self.focused
        text = focused.selected_text if isinstance(focused, (Input, TextArea)) else self.screen.get_selected_text()
        if not text:
            return False
        self.copy_to_clipboard(text)
        self.notify("Copied.", timeout=2, markup=False)
        if not isinstance(focused, (Input, TextArea)):
            self.screen.clear_selection()
        return True

    def action_interrupt(self) -> None:
        """Ctrl+C: copy what is selected, else stop the reply, else stop the run, else say how to quit."""
        if self._copied_selection():
            return
        screen = self.tab_screen
        if screen is not None and screen.stop_reply():
            return
        if self.run_is_going or self.training_here:
            self._stop_run()
            return
        self.notify("ctrl+q quits.", timeout=3, markup=False)

    def _stop_run(self) -> None:
        self._stop_presses += 1
        if self._stop_presses == 1:
            if self.run_is_going:
                self.request("stop")
            elif self.own_run is not None:
                self.own_run.request("stop")
            if self.watched is not None and self.watched.state.progress.get("training"):
                self.notify("Stopping after this step; everything is being saved.", markup=False)
            else:
                self.notify("Stopping.", markup=False)
        elif self._stop_presses == 2:
            self._ask_to_end_at_once()
        else:
            self._end_at_once()

    def _ask_to_end_at_once(self) -> None:
        from tui_finetune.tui.dialogs.confirm import Choice, Confirm

        def answered(answer: str | None) -> None:
            if answer == "end":
                self._end_at_once()
            else:
                self._stop_presses = 1

        self._question = Confirm(
            "The run is being stopped and saved. End it at once instead?",
            "What was trained since the last checkpoint would be lost; checkpoints that are saved stay.",
            [Choice("wait", "w", "Wait"), Choice("end", "e", "End at once")],
        )
        self.push_screen(self._question, answered)

    def _end_at_once(self) -> None:
        """Leave without waiting for the step or the save. Only what is committed counts, so nothing saved is harmed."""
        if not self.training_here:
            self.notify("The run is in another process; it ends when it has saved.", markup=False)
            self._stop_presses = 1
            return
        self.ended_at_once = True
        self.exit(130)

    async def action_quit(self) -> None:
        """Quit; while a run is going here, ask what becomes of it."""
        if not self.training_here or self.own_run is None:
            self.exit(0)
            return
        from tui_finetune.tui.dialogs.confirm import Choice, Confirm

        if isinstance(self.screen, Confirm):
            return

        def answered(answer: str | None) -> None:
            if answer == "detach":
                self.detach()
            elif answer == "stop":
                self.end_training(0)

        self.push_screen(
            Confirm(
                "A run is going. What shall become of it?",
                "Detached it goes on in the background; `finetune-tui attach` comes back to it.",
                [
                    Choice("detach", "d", "Detach"),
                    Choice("stop", "s", "Save and stop"),
                    Choice("stay", "escape", "Stay"),
                ],
            ),
            answered,
        )

    def end_training(self, status: int, reason: str = "") -> None:
        """Save, end the run that is trained here, and leave with that exit status. A signal handler may call it."""
        if self.own_run is not None:
            self.own_run.request("stop", reason=reason)
        self._status_when_over = status

    def _leave_if_over(self) -> None:
        if self._status_when_over is not None and not self.training_here:
            self.exit(self._status_when_over)
        if self._question is not None and self._question is self.screen and not self.run_is_going:
            self._question.dismiss(None)  # the run has ended meanwhile

    def action_detach(self) -> None:
        """Give the shell its prompt back; the run goes on."""
        if not self.run_is_going:
            self.notify("No run is going.", severity="warning", markup=False)
            return
        self.detach()

    def detach(self) -> None:
        """Leave; what is trained here goes on."""
        work, self._work_to_begin = self._work_to_begin, None
        if work is not None:  # too late for a worker, which would be cancelled
            threading.Thread(target=work, daemon=True).start()
        self.exit(0)
