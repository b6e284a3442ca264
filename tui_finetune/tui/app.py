"""The app: puts the parts together, and gives them what only an app can do."""

from __future__ import annotations

import functools
import gc
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from textual import events
from textual.app import App, SystemCommand
from textual.binding import Binding
from textual.filter import LineFilter
from textual.screen import Screen
from textual.worker import Worker, WorkerState

from tui_finetune.errors import UserError
from tui_finetune.system.reports import bug
from tui_finetune.system.terminal import over_ssh
from tui_finetune.tui.announcer import Announcer
from tui_finetune.tui.draft import Draft
from tui_finetune.tui.host import Severity
from tui_finetune.tui.leaving import Leaving
from tui_finetune.tui.monitor import Monitor, Start, start_run
from tui_finetune.tui.screens.base import TabScreen
from tui_finetune.tui.state import AppState
from tui_finetune.tui.stylesheet import LastingStylesheet
from tui_finetune.tui.suspending import Suspending
from tui_finetune.tui.theme import ControlCharacterFilter, LinuxConsoleFilter, all_themes, theme_name
from tui_finetune.tui.widgets.tab_bar import TABS

if TYPE_CHECKING:
    from tui_finetune.runs.directory import RunDirectory
    from tui_finetune.tui.question import Question


def _screen(state: AppState, mode: str) -> TabScreen:
    """A new screen for a tab. Imported when it is first shown, so that the first frame comes quickly."""
    from importlib import import_module

    module = import_module(f"tui_finetune.tui.screens.{mode}.screen")
    made = getattr(module, f"{mode.capitalize()}Screen")(state)
    assert isinstance(made, TabScreen)
    return made


class FinetuneApp(App[int]):
    """finetune-tui.

    Args:
        choices: settings to begin with, by key or alias, as flags of the command line.
        preset: the preset to begin with.
        run: a run to watch at once.
        log_path: where the output of libraries goes while no run is going.
        tab: the tab to begin with.
        clock: seconds that never go back.
        now: Unix seconds.
        start: prepares a training.
        theme: the name of the theme to begin with.
        on_theme: told when the person wants dark colors, or light ones.

    Attributes:
        state: the parts that the screens are handed.
        crash: what was wrong, and where the report is, where a bug has ended the app. Its run, if it has one, goes on.
    """

    TITLE = "finetune-tui"
    CSS_PATH = "app.tcss"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (80, "-normal"), (110, "-wide")]
    VERTICAL_BREAKPOINTS = [(0, "-short"), (30, "-tall")]
    ENABLE_COMMAND_PALETTE = True
    DEFAULT_MODE = "model"
    BINDINGS = [
        *(
            Binding(key, f"show_tab('{mode}')", title, show=False, id=f"tab.{mode}", tooltip=f"Go to the {title} screen",
                    priority=True)  # what is typed right behind it finds the screen in front
            for mode, key, title in TABS
        ),
        Binding("ctrl+r", "start_run", "Train", id="run.start", tooltip="Start training with what is chosen", priority=True),
        Binding("ctrl+c", "interrupt", "Stop", show=False, id="interrupt", priority=True,
                tooltip="Stop the reply or the run, saving everything; with text selected: copy"),
        Binding("f1,question_mark", "help", "Help", key_display="?", id="help", tooltip="What this screen is for, and its keys"),
        Binding("ctrl+q", "quit", "Quit", id="quit", priority=True, tooltip="Leave; a run can continue without the app"),
        Binding("ctrl+z", "suspend_process", "Suspend", show=False, id="suspend", priority=True,
                tooltip="Back to the shell for a while; the app, and what it trains, stand still until `fg`"),
        Binding("ctrl+p", "command_palette", "Commands", show=False, id="palette", priority=True,
                tooltip="Search all commands"),
    ]  # fmt: skip

    def __init__(
        self,
        choices: Mapping[str, object] | None = None,
        preset: str | None = None,
        run: RunDirectory | None = None,
        log_path: Path | None = None,
        tab: str | None = None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
        start: Start = start_run,
        theme: str | None = None,
        on_theme: Callable[[bool], None] = lambda dark: None,
    ) -> None:
        # The tab that Textual begins with, which it takes from here.
        self.DEFAULT_MODE = tab or ("training" if run is not None else self.DEFAULT_MODE)  # type: ignore[misc]
        # Without colors the terminal's own are used, and of these none: else they would become shades of gray.
        super().__init__(ansi_color=True if "NO_COLOR" in os.environ else None)
        self._on_theme = on_theme
        self.crash: UserError | None = None
        self._log_path = log_path
        self._announcer = Announcer(self._to_terminal, os.environ, clock)
        self._own_filters: list[LineFilter] = [ControlCharacterFilter()]
        if os.environ.get("TERM") == "linux":
            self._own_filters.append(LinuxConsoleFilter())
        draft, monitor = Draft(self, choices, preset), Monitor(self, start, clock)
        self.state = AppState(self, draft, monitor, Leaving(self, monitor, clock), clock, now)
        draft.on_change = lambda: self._on_tab(lambda screen: screen.choices_changed())
        draft.on_plan = lambda: self._on_tab(lambda screen: screen.plan_changed())
        monitor.on_news = lambda: self._on_tab(lambda screen: screen.run_changed())
        monitor.on_watch = self._watch_changed
        for mode, _, _ in TABS:
            self.add_mode(mode, functools.partial(_screen, self.state, mode))
        for known in all_themes():
            self.register_theme(known)
        self.theme = theme or theme_name()
        self.stylesheet = LastingStylesheet(self.get_css_variables())
        if run is not None:
            draft.plan_waits = True
            monitor.watch(run)

    # Start

    def get_line_filters(self) -> Sequence[LineFilter]:
        return [*super().get_line_filters(), *self._own_filters]

    def on_mount(self) -> None:
        self.begin_capture_print(self)
        if self._driver is not None and not self.is_headless:
            self._suspending = Suspending(self, self._driver)
        self.set_interval(1.0 if over_ssh() else 0.25, self.poll)

    def on_ready(self) -> None:
        # Settings and the plan need imports that take their time: the first frame goes out before.
        self.call_after_refresh(self.first_frame_drawn)

    async def first_frame_drawn(self) -> None:
        """What waits for the first frame: the rest of its screen, and behind that what takes imports."""
        if (screen := self.tab_screen) is not None:
            await screen.complete()
            screen.call_after_refresh(self.first_screen_drawn)

    def first_screen_drawn(self) -> None:
        """What waits for a screen that can be used: settings and plan, and runs that are going."""
        gc.enable()
        self.state.draft.settle()
        self.state.monitor.look_for_runs()

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        from tui_finetune.tui.palette import system_commands

        yield from system_commands(self, screen, self.state)

    async def on_event(self, event: events.Event) -> None:
        # What was typed while the app closes is still on its way when the last screen is gone.
        if isinstance(event, events.InputEvent) and not self.screen_stack:
            return
        await super().on_event(event)

    # The tab in front

    @property
    def tab_screen(self) -> TabScreen | None:
        """The tab that is in front, also under a dialog."""
        return next((s for s in reversed(self.screen_stack) if isinstance(s, TabScreen)), None)

    def _on_tab(self, tell: Callable[[TabScreen], None]) -> None:
        if self.is_running and (screen := self.tab_screen) is not None and screen.is_mounted:
            tell(screen)

    def poll(self) -> None:
        """Look for what is new of runs."""
        self.state.leaving.check()
        monitor = self.state.monitor
        if monitor.launch is not None and (failure := monitor.launch.failure) is not None:
            monitor.launch = None
            self.failed(failure, "the training")
        monitor.poll()
        self._announcer.look(monitor.watched)

    def _to_terminal(self, sequence: str) -> None:
        """Send what is no picture, such as a title."""
        if self._driver is not None and self.is_running and not self.is_headless:
            self._driver.write(sequence)
            self._driver.flush()

    def on_unmount(self) -> None:
        self._announcer.leave()

    def _watch_changed(self) -> None:
        """Another run is watched: show it, and begin its training once its screen is drawn, which the heavy imports would
        hold up."""
        self.state.leaving.new_run()
        if not self.is_running:
            return  # its first screen shows it
        if self.current_mode == "training":
            self._on_tab(lambda screen: screen.run_changed())
        else:
            self.show_tab("training")
        self._begin_when_drawn()

    def _begin_when_drawn(self) -> None:
        launch = self.state.monitor.launch
        if launch is None or launch.has_begun:
            return
        screen = self.tab_screen
        if screen is not None and screen.is_mounted:
            screen.call_after_refresh(launch.begin)
        else:
            self.set_timer(0.05, self._begin_when_drawn)

    # What parts and screens need of an app: see `host.Host`

    def work(self, work: Callable[[], None], *, group: str, description: str, exclusive: bool = False) -> None:
        self.run_worker(
            work, thread=True, exclusive=exclusive, group=group, exit_on_error=False, description=description
        )

    def back(self, then: Callable[[], None]) -> None:
        self.call_from_thread(then)

    def show_tab(self, mode: str) -> None:
        if self.current_mode != mode:
            self.switch_mode(mode)
        else:
            self._on_tab(lambda screen: screen.choices_changed())

    def say(
        self, words: str, *, title: str = "", severity: Severity = "information", seconds: float | None = None
    ) -> None:
        self.notify(words, title=title, severity=severity, timeout=seconds, markup=False)

    def refuse(self, error: UserError, title: str = "Can't do that") -> None:
        self.say(f"{error.message}\n{error.remedy}", title=title, severity="error")

    def ask(self, question: Question, answered: Callable[[str | None], None]) -> Callable[[], None]:
        from tui_finetune.tui.dialogs.confirm import Confirm

        dialog = Confirm(question)
        self.push_screen(dialog, answered)
        return dialog.take_back

    def use_colors(self, *, dark: bool) -> None:
        """Use dark or light colors, from now on."""
        depth = self.theme.removeprefix(theme_name(dark=self.current_theme.dark))
        self.theme = theme_name(dark=dark) + depth
        self._on_theme(dark)

    def export(self, run: RunDirectory) -> None:
        from tui_finetune.tui.dialogs.export import ExportDialog

        self.push_screen(ExportDialog(run, self.failed))

    def has_dialog(self) -> bool:
        return self.screen is not self.tab_screen

    def copy_selection(self) -> bool:
        from textual.widgets import Input, TextArea

        focused = self.focused
        text = focused.selected_text if isinstance(focused, (Input, TextArea)) else self.screen.get_selected_text()
        if not text:
            return False
        self.copy_to_clipboard(text)
        self.say("Copied.", seconds=2)
        if not isinstance(focused, (Input, TextArea)):
            self.screen.clear_selection()
        return True

    def stop_reply(self) -> bool:
        screen = self.tab_screen
        return screen is not None and screen.stop_reply()

    def leave(self, status: int) -> None:
        self.exit(status)

    # What keys do

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "show_tab" and parameters and self.focused is not None:
            key = next((key for mode, key, _ in TABS if mode == parameters[0]), "")
            if self.focused.check_consume_key(key, key):
                return False  # there it is typed
        if action in {"start_run", "show_tab", "help", "command_palette"}:
            return self.is_running and not self.has_dialog()  # a question comes first
        return super().check_action(action, parameters)

    def action_start_run(self) -> None:
        """Train what is chosen."""
        draft = self.state.draft
        if self.state.monitor.is_training or draft.hindrance is None:
            if draft.resolved is not None:
                self.state.monitor.train(draft.resolved)
        else:
            self.refuse(draft.hindrance, "Not yet")

    def action_show_tab(self, mode: str) -> None:
        self.show_tab(mode)

    def action_interrupt(self) -> None:
        self.state.leaving.interrupt()

    async def action_quit(self) -> None:
        self.state.leaving.quit()

    def action_detach(self) -> None:
        """Give the shell its prompt back; the run continues."""
        self.state.leaving.detach_if_going()

    def action_help(self) -> None:
        from tui_finetune.tui.dialogs.help import HelpScreen

        if (screen := self.tab_screen) is not None and screen is self.screen:
            self.push_screen(HelpScreen(screen.help_title, screen.help_text, screen))

    def action_command_palette(self) -> None:
        if self.screen is self.tab_screen:  # it opens once, and not over a question
            from tui_finetune.tui.dialogs.commands import Commands

            self.push_screen(Commands(id="--command-palette"))

    # What goes wrong

    def on_print(self, event: events.Print) -> None:
        """What libraries print in this process goes where descriptor 2 leads: to a log."""
        self._write_log(event.text)

    def _write_log(self, text: str) -> None:
        if self._log_path is not None:
            os.write(2, text.encode("utf-8", "replace"))

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """One handler for all work that failed."""
        worker = event.worker
        if event.state == WorkerState.ERROR and worker.error is not None:
            self.failed(worker.error, worker.description)

    def failed(self, error: BaseException, description: str) -> None:
        if isinstance(error, UserError):
            self.refuse(error)
            return
        # A bug: say so in a line; the details are in a report.
        told = bug(error, f"(the app) {description}") if self._log_path is not None else UserError(repr(error))
        self.say(f"{told.message}. {told.remedy}", title=f"Failed: {description}", severity="error", seconds=20)

    def _fatal_error(self) -> None:
        """A bug in a screen ends the app, not its run; the traceback goes to a report and not to the terminal."""
        error = sys.exc_info()[1] or self._exception
        if error is not None:
            self.crash = bug(error, "(the app)") if self._log_path is not None else UserError(repr(error))
        self._close_messages_no_wait()
