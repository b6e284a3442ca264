"""The app: what is chosen, the plan, the run that is watched, and the keys that work everywhere."""

from __future__ import annotations

import contextlib
import functools
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from textual import events
from textual.app import App, SystemCommand
from textual.binding import Binding
from textual.filter import LineFilter
from textual.screen import Screen
from textual.worker import Worker, WorkerState

from tui_finetune.errors import UserError
from tui_finetune.presets import KEPT
from tui_finetune.runs.control import Action
from tui_finetune.runs.directory import RunDirectory, new_run_path
from tui_finetune.runs.watch import Watch
from tui_finetune.screens.base import TabScreen
from tui_finetune.system.output import output_to
from tui_finetune.system.terminal import over_ssh
from tui_finetune.theme import DARK, LIGHT, ControlCharacterFilter
from tui_finetune.widgets.plan_line import PlanLine
from tui_finetune.widgets.tab_bar import TABS

if TYPE_CHECKING:
    from tui_finetune.resolution import Resolved
    from tui_finetune.training.plan import Plan

STATUS_WORDS = {
    "starting": "starting", "running": "training", "paused": "paused", "stopping": "stopping", "finished": "finished",
    "stopped": "stopped", "failed": "failed", "interrupted": "interrupted",
}  # fmt: skip


def _canonical(choices: dict[str, Any]) -> dict[str, Any]:
    from tui_finetune.resolution import canonical

    return canonical(choices)


def _screen(mode: str) -> Screen[Any]:
    """A new screen for a mode. Imported when it is first shown, so that the first frame comes quickly."""
    from importlib import import_module

    module = import_module(f"tui_finetune.screens.{mode}")
    return cast("Screen[Any]", getattr(module, f"{mode.capitalize()}Screen")())


class FinetuneApp(App[int]):
    """finetune-tui.

    Args:
        choices: settings to begin with, by key or alias, as flags of the command line.
        preset: the preset to begin with.
        run: a run to watch at once.
        log_path: where the output of libraries goes while no run is going.

    Attributes:
        choices: what was chosen in the form and on the other screens, by key.
        resolved: the configuration that this amounts to; None where something is wrong with it, which is in `problem`.
        plan: what is known of a run with it; `plan_pending` while it is being worked out.
        watched: the run that the Training screen shows.
        chat_target: whom the Chat screen shall talk to next; None for whom it talks to already.
        own_run: the run that this process trains, or trained last.
        training_here: whether it is going; `training_over` is set when its thread is done with it.
    """

    TITLE = "finetune-tui"
    CSS_PATH = "app.tcss"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (80, "-normal"), (110, "-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-short"), (30, "-tall")]
    ENABLE_COMMAND_PALETTE = True
    MODES = {mode: functools.partial(_screen, mode) for mode, _, _ in TABS}
    DEFAULT_MODE = "model"
    BINDINGS = [
        *(
            Binding(key, f"show_tab('{mode}')", title, show=False, id=f"tab.{mode}", tooltip=f"Go to the {title} screen")
            for mode, key, title in TABS
        ),
        Binding("ctrl+r", "start_run", "Train", id="run.start", tooltip="Start training with what is chosen", priority=True),
        Binding("ctrl+c", "interrupt", "Stop", show=False, id="interrupt", priority=True,
                tooltip="Stop the reply or the run, saving everything; with text selected: copy"),
        Binding("f1,question_mark", "help", "Help", key_display="?", id="help", tooltip="What this screen is and its keys"),
        Binding("ctrl+q", "quit", "Quit", id="quit", priority=True, tooltip="Leave; a run can go on without the app"),
        Binding("ctrl+p", "command_palette", "Commands", show=False, id="palette", priority=True,
                tooltip="Search all commands"),
    ]  # fmt: skip

    def __init__(
        self,
        choices: dict[str, Any] | None = None,
        preset: str | None = None,
        run: RunDirectory | None = None,
        log_path: Path | None = None,
    ) -> None:
        super().__init__()
        self.choices: dict[str, Any] = _canonical(choices) if choices else {}
        self.preset_name = preset or "default"
        self._outcome: tuple[Resolved | None, UserError | None] | None = None
        self.plan: Plan | None = None
        self.plan_pending = False
        self.watched: Watch | None = None
        self.chat_target: str | None = None
        self.own_run: RunDirectory | None = None
        self.training_here = False
        self.training_over = threading.Event()
        self._work_to_begin: Callable[[], None] | None = None
        self._first_run = run
        self._log_path = log_path
        self._stop_presses = 0
        self._status_when_over: int | None = None
        self._filter = ControlCharacterFilter()
        self.register_theme(DARK)
        self.register_theme(LIGHT)
        self.theme = DARK.name

    # Start

    def get_line_filters(self) -> Sequence[LineFilter]:
        return [*super().get_line_filters(), self._filter]

    def on_mount(self) -> None:
        self.begin_capture_print(self)
        self.set_interval(1.0 if over_ssh() else 0.25, self._poll_run)
        self.set_interval(0.1, self._leave_if_over)
        if self._first_run is not None:
            self.watch_run(self._first_run)

    def on_ready(self) -> None:
        # Settings and the plan need imports that take their time: the first frame goes out before.
        self.call_after_refresh(self._first_frame_drawn)

    async def _first_frame_drawn(self) -> None:
        if (screen := self.tab_screen) is not None and not self.is_settled:
            await screen.complete()
        self._changed()

    def on_print(self, event: events.Print) -> None:
        """What libraries print in this process goes where descriptor 2 leads: to a log."""
        if self._log_path is not None:
            os.write(2, event.text.encode("utf-8", "replace"))

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        from tui_finetune.commands import system_commands

        yield from system_commands(self, screen)

    @property
    def tab_screen(self) -> TabScreen | None:
        """The tab that is in front, also under a dialog."""
        return next((s for s in reversed(self.screen_stack) if isinstance(s, TabScreen)), None)

    # What is chosen

    def choose(self, **values: Any) -> None:
        """Set settings, by key. A value that is not allowed stays chosen, and `problem` says what is wrong with it."""
        self.choices.update(values)
        self._changed()

    def unchoose(self, *keys: str) -> None:
        """Go back to the value that preset, model or default give."""
        for key in keys:
            self.choices.pop(key, None)
        self._changed()

    def choose_preset(self, name: str) -> None:
        """Start from a preset. What was chosen one by one in the form is let go, the model and the data stay."""
        self.preset_name = name
        self.choices = {key: value for key, value in self.choices.items() if key in KEPT}
        self._changed()

    @property
    def is_settled(self) -> bool:
        """Whether what is chosen has been resolved; asking for `resolved` or `problem` does it, which takes imports."""
        return self._outcome is not None

    @property
    def resolved(self) -> Resolved | None:
        return self._resolve()[0]

    @property
    def problem(self) -> UserError | None:
        return self._resolve()[1]

    def _resolve(self) -> tuple[Resolved | None, UserError | None]:
        if self._outcome is None:
            from tui_finetune.models.catalog import model_settings
            from tui_finetune.resolution import resolve

            try:
                first = resolve(self.choices, preset_name=self.preset_name, flag_origin="form")
                suits = model_settings(first.config.model_name_or_path)
                self._outcome = (
                    resolve(self.choices, preset_name=self.preset_name, model_settings=suits, flag_origin="form"),
                    None,
                )
            except UserError as error:
                self._outcome = None, error
        return self._outcome

    def _changed(self) -> None:
        self._outcome = None
        self._resolve()
        if (screen := self.tab_screen) is not None and screen.is_mounted:
            screen.choices_changed()
        self._work_out_plan()

    # The plan

    def _work_out_plan(self) -> None:
        self.plan_pending = self.resolved is not None
        if self.resolved is None:
            self.plan = None
        else:
            config = self.resolved.config

            def work() -> None:
                from tui_finetune.training.plan import examine

                examine(config, lambda plan: self.call_from_thread(self._plan_known, config, plan))

            self.run_worker(work, thread=True, exclusive=True, group="plan", exit_on_error=False,
                            description="working out the plan")  # fmt: skip
        self._show_plan_everywhere()

    def _plan_known(self, config: object, plan: Plan) -> None:
        if self.resolved is None or config is not self.resolved.config:
            return  # Something else has been chosen since.
        self.plan, self.plan_pending = plan, not plan.complete
        self._show_plan_everywhere()

    def _show_plan_everywhere(self) -> None:
        if (screen := self.tab_screen) is not None and screen.is_mounted:
            screen.plan_changed()

    def show_plan(self, line: PlanLine) -> None:
        """Put what is known of the plan into a plan line."""
        if not self.is_settled:
            line.show([])
        elif self.problem is not None:
            line.show([], self.problem)
        elif self.resolved is not None:
            config = self.resolved.config
            parts = self.plan.parts() if self.plan else [f"{config.model_name_or_path} → {config.dataset_name}"]
            line.show(parts, self.plan.problem if self.plan else None, pending=self.plan_pending)

    # The run

    def action_start_run(self) -> None:
        """Train what is chosen."""
        if self.is_busy:
            self.notify("A run is going. Stop it with ctrl+c first.", severity="warning", markup=False)
            return
        problem = self.problem or (self.plan.problem if self.plan else None)
        if problem is not None or self.resolved is None:
            if problem is not None:
                self.notify(f"{problem.message}\n{problem.remedy}", title="Not yet", severity="error", markup=False)
            return
        run = RunDirectory(new_run_path(self.resolved.config))
        try:
            run.create()
        except UserError as error:
            self.notify(f"{error.message}\n{error.remedy}", title="Not yet", severity="error", markup=False)
            return
        self._train(run, self.resolved)

    def resume_run(self, run: RunDirectory) -> None:
        """Go on with a run that was stopped, interrupted or finished."""
        if self.is_busy:
            self.notify("A run is going. Stop it with ctrl+c first.", severity="warning", markup=False)
            return
        try:
            self._train(run, None)
        except UserError as error:
            self.notify(f"{error.message}\n{error.remedy}", title="Can't do that", severity="error", markup=False)

    def _train(self, run: RunDirectory, resolved: Resolved | None) -> None:
        from tui_finetune.training.session import TrainingSession

        # Made here and now: what is asked of the run from this moment on, it obeys.
        session = TrainingSession.resume(run) if resolved is None else TrainingSession(resolved, run)
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
            self.run_worker(work, thread=True, group="training", exit_on_error=False,
                            description=f"training {self.own_run.name}")  # fmt: skip

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
        if self.current_mode == "training":
            if (screen := self.tab_screen) is not None and screen.is_mounted:
                screen.run_changed()
        else:
            self.switch_mode("training")

    def chat_with(self, name: str) -> None:
        """Show the Chat screen and load a model there: a run, a model's folder, 'starter' or a hub name."""
        self.chat_target = name
        if self.current_mode != "chat":
            self.switch_mode("chat")
        elif (screen := self.tab_screen) is not None:
            screen.choices_changed()

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

    def request(self, action: Action, **fields: Any) -> bool:
        """Ask something of the run that is watched; False, with a word to the user, where none is going."""
        if self.watched is None or not self.run_is_going:
            self.notify("No run is going. ctrl+r starts one.", severity="warning", markup=False)
            return False
        self.watched.run.request(action, **fields)
        return True

    def _poll_run(self) -> None:
        if self.watched is None:
            return
        before = self.watched.status
        news = self.watched.poll()
        if (news or self.watched.status != before) and (screen := self.tab_screen) is not None and screen.is_mounted:
            screen.run_changed()

    def run_light(self) -> str:
        """A few words on the run, for the corner of every screen."""
        if self.watched is None:
            return ""
        state, status = self.watched.state, self.watched.status
        if status == "running" and state.total_steps:
            return f"● {self.watched.run.name}  {100 * state.step // state.total_steps} %"
        mark = {"finished": "✓", "stopped": "■", "failed": "✗", "paused": "‖", "interrupted": "✗"}.get(status, "●")
        return f"{mark} {STATUS_WORDS[status]}"

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """One handler for all workers: a run that has ended, and work that failed."""
        worker = event.worker
        if worker.group == "training" and self.training_over.is_set():
            self.training_here = False
            self._poll_run()
        if event.state == WorkerState.ERROR and worker.error is not None:
            self._work_failed(worker)

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
                f"{type(error).__name__}: {error}", title=f"Failed: {worker.description}", severity="error",
                markup=False, timeout=20,
            )  # fmt: skip

    # Keys that work everywhere

    def action_show_tab(self, mode: str) -> None:
        self.switch_mode(mode)

    def action_help(self) -> None:
        from tui_finetune.screens.help import HelpScreen

        if (screen := self.tab_screen) is not None and screen is self.screen:
            self.push_screen(HelpScreen(screen))

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
        from tui_finetune.screens.confirm import Choice, Confirm

        def answered(answer: str | None) -> None:
            if answer == "end":
                self._end_at_once()
            else:
                self._stop_presses = 1

        self.push_screen(
            Confirm(
                "The run is being stopped and saved. End it at once instead?",
                "What was trained since the last checkpoint would be lost; checkpoints that are saved stay.",
                [Choice("wait", "w", "Wait"), Choice("end", "e", "End at once")],
            ),
            answered,
        )

    def _end_at_once(self) -> None:
        """Leave without waiting for the step or the save. Only what is committed counts, so nothing saved is harmed."""
        if not self.training_here:
            self.notify("The run is in another process; it ends when it has saved.", markup=False)
            self._stop_presses = 1
            return
        self.ended_at_once = True
        self.exit(130)

    ended_at_once = False
    """Whether the process must end without waiting for the training thread."""

    async def action_quit(self) -> None:
        """Quit; while a run is going here, ask what becomes of it."""
        if not self.training_here or self.own_run is None:
            self.exit(0)
            return
        from tui_finetune.screens.confirm import Choice, Confirm

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
