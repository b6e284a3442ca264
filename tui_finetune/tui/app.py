"""The app: its screens, what is chosen, and what a run with it would be. What becomes of runs is in `running`."""

from __future__ import annotations

import functools
import gc
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from textual.app import SystemCommand
from textual.binding import Binding
from textual.filter import LineFilter
from textual.screen import Screen

from tui_finetune.config.presets import KEPT
from tui_finetune.errors import UserError
from tui_finetune.runs.directory import RunDirectory, create_run
from tui_finetune.system.terminal import over_ssh
from tui_finetune.tui.running import RunningApp
from tui_finetune.tui.theme import DARK, LIGHT, ControlCharacterFilter
from tui_finetune.tui.widgets.plan_line import PlanLine
from tui_finetune.tui.widgets.tab_bar import TABS

if TYPE_CHECKING:
    from tui_finetune.config.resolve import Resolved
    from tui_finetune.planning.plan import Plan


def _canonical(choices: dict[str, Any]) -> dict[str, Any]:
    from tui_finetune.config.aliases import canonical

    return canonical(choices)


def _screen(mode: str) -> Screen[Any]:
    """A new screen for a mode. Imported when it is first shown, so that the first frame comes quickly."""
    from importlib import import_module

    module = import_module(f"tui_finetune.tui.screens.{mode}.screen")
    return cast("Screen[Any]", getattr(module, f"{mode.capitalize()}Screen")())


class FinetuneApp(RunningApp):
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
        chat_target: whom the Chat screen shall talk to next; None for whom it talks to already.
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
        if run is not None:
            self.DEFAULT_MODE = "training"  # type: ignore[misc] # which the next line reads; the Model screen takes time
        super().__init__(log_path)
        self.choices: dict[str, Any] = _canonical(choices) if choices else {}
        self.preset_name = preset or "default"
        self._outcome: tuple[Resolved | None, UserError | None] | None = None
        self.plan: Plan | None = None
        self.plan_pending = False
        self.chat_target: str | None = None
        self._filter = ControlCharacterFilter()
        self.register_theme(DARK)
        self.register_theme(LIGHT)
        self.theme = DARK.name
        if run is not None:
            self.watch_run(run)

    # Start

    def get_line_filters(self) -> Sequence[LineFilter]:
        return [*super().get_line_filters(), self._filter]

    def on_mount(self) -> None:
        self.begin_capture_print(self)
        self.set_interval(1.0 if over_ssh() else 0.25, self._poll_run)

    def on_ready(self) -> None:
        # Settings and the plan need imports that take their time: the first frame goes out before.
        self.call_after_refresh(self._first_frame_drawn)

    async def _first_frame_drawn(self) -> None:
        gc.enable()
        if (screen := self.tab_screen) is not None and not self.is_settled:
            await screen.complete()
        self._changed()
        self.look_for_runs()

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        from tui_finetune.tui.palette import system_commands

        yield from system_commands(self, screen)

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
            from tui_finetune.config.resolve import resolve
            from tui_finetune.models.catalog import model_settings

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
                from tui_finetune.planning.plan import examine

                examine(config, lambda plan: self.call_from_thread(self._plan_known, config, plan))

            self.run_worker(
                work, thread=True, exclusive=True, group="plan", exit_on_error=False, description="working out the plan"
            )
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

    # What is done with it

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
        try:
            run = create_run(self.resolved.config)
        except UserError as error:
            self.notify(f"{error.message}\n{error.remedy}", title="Not yet", severity="error", markup=False)
            return
        self._train(run, self.resolved)

    def chat_with(self, name: str) -> None:
        """Show the Chat screen and load a model there: a run, a model's folder, 'starter' or a hub name."""
        self.chat_target = name
        if self.current_mode != "chat":
            self.switch_mode("chat")
        elif (screen := self.tab_screen) is not None:
            screen.choices_changed()

    def action_show_tab(self, mode: str) -> None:
        self.switch_mode(mode)

    def action_help(self) -> None:
        from tui_finetune.tui.dialogs.help import HelpScreen

        if (screen := self.tab_screen) is not None and screen is self.screen:
            self.push_screen(HelpScreen(screen))
