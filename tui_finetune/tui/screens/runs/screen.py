"""The Runs screen: all runs of this machine, and the one under the cursor in detail."""

from __future__ import annotations

from pathlib import Path

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Container, Vertical, VerticalScroll
from textual.events import Resize
from textual.timer import Timer
from textual.widgets import DataTable, Input, Static

from tui_finetune.config.schema import RunConfig
from tui_finetune.errors import UserError
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.registry import known_runs
from tui_finetune.runs.state import RunState
from tui_finetune.runs.summary import RunSummary, load_state, summarize
from tui_finetune.tui.screens.afterwards import use_settings
from tui_finetune.tui.screens.base import TabScreen
from tui_finetune.tui.screens.runs.comparison import Comparison
from tui_finetune.tui.screens.runs.details import details_content
from tui_finetune.tui.screens.runs.looking import Stamp, queue_line, stamp_of
from tui_finetune.tui.screens.runs.order import ORDERS, in_order
from tui_finetune.tui.screens.runs.questions import ask_name, ask_note, delete_question
from tui_finetune.tui.screens.runs.table import RunsTable
from tui_finetune.tui.state import AppState
from tui_finetune.tui.widgets.chart.run_chart import RunChart

REFRESH_SECONDS = 3.0
RESUMABLE = frozenset({"stopped", "failed", "interrupted"})


class RunsScreen(TabScreen):
    """The list of runs, a filter above it, the details of one beside or below it."""

    mode = "runs"
    CSS_PATH = "runs.tcss"
    AUTO_FOCUS = "RunsTable"
    help_text = (
        "All runs known on this machine, the newest first, and those in the runs folder here.\n\n"
        "Enter shows a run on the Training screen; one in progress, here or in another terminal, is watched live there. "
        "r resumes one that was stopped, failed or interrupted, from its newest checkpoint, and extends one that is "
        "finished.\n\n"
        "Space marks runs: of two or more, losses, settings and results stand beside each other; t shows them by steps, "
        "tokens or time. u puts a run's settings into the plan, n renames it, w writes a note, o sorts.\n\n"
        "q shows the queue: runs that wait for their turn and are trained one after the other, also without the app.\n\n"
        "Beside the list are the losses of the run under the cursor and the settings in which it differs from the "
        "defaults."
    )
    BINDINGS = [
        Binding("r", "resume", "Resume", id="runs.resume", tooltip="Resume from its newest checkpoint"),
        Binding("c", "chat", "Chat", show=False, id="runs.chat", tooltip="Talk to its model"),
        Binding("x", "export", "Export", show=False, id="runs.export", tooltip="Take its model elsewhere"),
        Binding("space", "mark", "Mark", id="runs.mark", tooltip="Mark the run, to compare it with others that are marked"),
        Binding("u", "use", "Use settings", show=False, id="runs.use",
                tooltip="Put this run's settings into the plan"),
        Binding("n", "rename", "Rename", show=False, id="runs.rename", tooltip="Give the run another name"),
        Binding("w", "note", "Note", show=False, id="runs.note", tooltip="Write something down about the run"),
        Binding("o", "sort", "Sort", show=False, id="runs.sort", tooltip="Sort by the next column"),
        Binding("t", "axis", "Axis", show=False, id="runs.axis",
                tooltip="Of runs that are compared: by steps, tokens or time, evaluation or training loss"),
        Binding("q", "queue", "Queue", show=False, id="runs.queue", tooltip="The runs that wait for their turn: order, add, start"),
        Binding("d,delete", "delete", "Delete", show=False, id="runs.delete", tooltip="Delete its files, after asking"),
        Binding("slash", "filter", "Filter", key_display="/", show=False, priority=True, id="runs.filter",
                tooltip="Show only runs whose name, model, data set or status has these words"),
        Binding("escape", "leave_filter", "All runs", show=False, id="runs.leave-filter", tooltip="Clear the filter"),
    ]  # fmt: skip

    def __init__(self, shared: AppState) -> None:
        super().__init__(shared)
        self._all: list[RunSummary] = []
        self._loaded = False
        self._seen: dict[Path, tuple[Stamp, RunSummary]] = {}
        self._detailed: tuple[str, float] | None = None
        self._details: tuple[RunSummary, RunState, RunConfig | None] | None = None
        self._timer: Timer | None = None
        self._asks_to_delete = False
        self._order = "When"

    def compose_body(self) -> ComposeResult:
        with Container(id="split"):
            with Vertical(id="list"):
                yield Input(placeholder="/ to filter", id="filter", compact=True)
                yield RunsTable(id="table")
                yield Static("", id="no-runs", markup=False)
                yield Static("", id="queue-line", markup=False)
            with Container(id="details"):
                yield Comparison(id="comparison")
                with VerticalScroll(id="facts", can_focus=False):
                    yield Static("", id="facts-text", markup=False)
                chart = RunChart(id="curves", clock=self.shared.clock, with_strips=False)
                chart.can_focus = False
                yield chart

    def on_mount(self) -> None:
        self._timer = self.set_interval(REFRESH_SECONDS, self.load, pause=True)

    def on_screen_resume(self) -> None:
        self.load()
        if self._timer is not None:
            self._timer.resume()

    def on_screen_suspend(self) -> None:
        if self._timer is not None:
            self._timer.pause()

    # The list

    def load(self) -> None:
        """Look for runs, and for what is new in them."""

        def work() -> None:
            found: dict[Path, tuple[Stamp, RunSummary]] = {}
            for run in known_runs():
                stamp, seen = stamp_of(run), self._seen.get(run.path)
                found[run.path] = seen if seen is not None and seen[0] == stamp else (stamp, summarize(run))
            self.app.call_from_thread(self._found, found, queue_line())

        self.run_worker(
            work, thread=True, exclusive=True, group="runs", exit_on_error=False, description="listing the runs"
        )

    def _found(self, found: dict[Path, tuple[Stamp, RunSummary]], queue: str) -> None:
        self._seen = found
        line = self.query_one("#queue-line", Static)
        line.display = bool(queue)
        line.update(queue)
        self._all = [summary for _, summary in found.values()]
        self._loaded = True
        self._show_list()

    def _show_list(self) -> None:
        if not self._loaded or not self.is_current:
            return
        words = self.query_one("#filter", Input).value.lower().split()
        shown = [
            run
            for run in self._all
            if all(word in f"{run.name} {run.model} {run.dataset} {run.status}".lower() for word in words)
        ]
        table, empty = self.query_one(RunsTable), self.query_one("#no-runs", Static)
        table.display, empty.display = bool(shown), not shown
        self.query_one("#details").display = bool(shown)
        if not shown:
            if not (self._all or words):
                self.set_focus(None)  # which went from the hidden table to the filter, where keys are typed
            empty.update("No run matches." if self._all else "No runs yet. ctrl+r starts one, q shows the queue.")
        table.show(in_order(shown, self._order), self.shared.now())
        if (wanted := self.shared.wanted_run.take()) is not None and wanted not in table.marked:
            table.marked.append(wanted)
            table.show(in_order(shown, self._order), self.shared.now())
        self._show_details()
        self.refresh_bindings()

    def on_input_changed(self) -> None:
        self._show_list()

    def on_input_submitted(self) -> None:
        self.query_one(RunsTable).focus()

    @on(Resize)
    def _lay_out(self) -> None:
        # The details are told in another way where they stand beside the list.
        self.call_after_refresh(self._fill_details)

    # The run under the cursor

    @property
    def selected(self) -> RunSummary | None:
        table = self.query_one(RunsTable)
        return table.selected if table.display else None

    def on_data_table_row_highlighted(self) -> None:
        self._show_details()
        self.refresh_bindings()

    def _show_details(self) -> None:
        """Read what is new about the run under the cursor."""
        summary = self.selected
        if summary is None or self._detailed == (summary.path, summary.updated):
            return
        self._detailed = (summary.path, summary.updated)

        def work() -> None:
            run = RunDirectory(Path(summary.path))
            try:
                config: RunConfig | None = run.read_config()
            except UserError:
                config = None
            self.app.call_from_thread(self._details_known, summary, load_state(run), config)

        self.run_worker(
            work,
            thread=True,
            exclusive=True,
            group="details",
            exit_on_error=False,
            description=f"reading {summary.name}",
        )

    # Comparing

    def action_mark(self) -> None:
        table = self.query_one(RunsTable)
        table.toggle_mark()
        self._compare()
        if len(table.marked) == 1:
            self.notify("Mark another run with space to compare them.", timeout=4, markup=False)

    def _compare(self) -> None:
        """Show the runs that are marked beside each other, once there are two."""
        paths = list(self.query_one(RunsTable).marked)
        self.set_class(len(paths) > 1, "-comparing")
        if len(paths) < 2:
            return

        def work() -> None:
            from tui_finetune.runs.compare import compared

            runs = [compared(RunDirectory(Path(path))) for path in paths]
            self.app.call_from_thread(self.query_one(Comparison).show, runs)

        self.run_worker(
            work, thread=True, exclusive=True, group="compare", exit_on_error=False, description="comparing runs"
        )

    def action_axis(self) -> None:
        self.query_one(Comparison).next_axis()

    def action_sort(self) -> None:
        self._order = ORDERS[(ORDERS.index(self._order) + 1) % len(ORDERS)]
        self.notify(f"Sorted by {self._order.lower()}.", timeout=2, markup=False)
        self._show_list()

    def on_data_table_header_selected(self, event: DataTable.HeaderSelected) -> None:
        event.stop()
        if event.column_key.value in ORDERS:
            self._order = event.column_key.value
            self._show_list()

    # What is written about a run

    def action_use(self) -> None:
        if (run := self._selected_run()) is not None:
            try:
                use_settings(self.shared, run)
            except UserError as error:
                self.shared.host.refuse(error)

    def action_rename(self) -> None:
        if (run := self._selected_run()) is None:
            return

        def renamed(now: RunDirectory) -> None:
            marked = self.query_one(RunsTable).marked
            marked[:] = [str(now.path) if path == str(run.path) else path for path in marked]
            self.load()

        ask_name(self.app, self.shared.host, run, renamed)

    def action_note(self) -> None:
        if (run := self._selected_run()) is not None:
            ask_note(self.app, self.shared.host, run, self._look_again)

    def _look_again(self) -> None:
        self._detailed = None
        self._show_details()

    def _details_known(self, summary: RunSummary, state: RunState, config: RunConfig | None) -> None:
        if self._detailed == (summary.path, summary.updated):
            self._details = (summary, state, config)
            self._fill_details()

    def _fill_details(self) -> None:
        if self._details is None:
            return
        summary, state, config = self._details
        beside = self.has_class("-wide")
        note = RunDirectory(Path(summary.path)).read_note()
        self.query_one("#facts-text", Static).update(details_content(summary, state, config, tall=beside, note=note))
        chart = self.query_one(RunChart)
        chart.set_class(not state.has_points, "-empty")
        chart.show_run(state)

    # What keys do

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in {"resume", "chat", "export", "delete", "mark", "use", "rename", "note"}:
            return self.is_mounted and self.selected is not None
        if action == "axis":
            return self.has_class("-comparing")
        return super().check_action(action, parameters)

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        event.stop()
        if (run := self._selected_run()) is not None:
            self.shared.monitor.watch(run)

    def _selected_run(self) -> RunDirectory | None:
        summary = self.selected
        return RunDirectory(Path(summary.path)) if summary is not None else None

    def action_resume(self) -> None:
        run, summary = self._selected_run(), self.selected
        if run is None or summary is None:
            return
        if run.is_live:
            self._say(f"{run.name} is already running; enter shows it.")
        elif summary.status not in RESUMABLE:
            self._ask_to_extend(run)
        else:
            self.shared.monitor.resume(run)

    def _ask_to_extend(self, run: RunDirectory) -> None:
        """A finished run goes on if it is given more epochs, or steps where these were what limited it."""
        from tui_finetune.tui.dialogs.extend import extend_dialog

        try:
            dialog, changes = extend_dialog(run)
        except UserError as error:
            self._say(error.message)
            return

        def answered(answer: str | None) -> None:
            if answer is not None:
                self.shared.monitor.resume(run, changes(answer))

        self.app.push_screen(dialog, answered)

    def action_chat(self) -> None:
        if (run := self._selected_run()) is None:
            return
        if not run.final_dir.is_dir() and not run.checkpoints_dir.is_dir():
            self._say(f"{run.name} has saved no model yet.")
            return
        self.shared.chat_with(str(run.path))

    def action_export(self) -> None:
        if (run := self._selected_run()) is not None:
            self.shared.host.export(run)

    def action_queue(self) -> None:
        from tui_finetune.runs.queue import Queue
        from tui_finetune.tui.dialogs.queue import QueueDialog

        self.app.push_screen(QueueDialog(self.shared, Queue()), lambda _: self.load())

    def action_filter(self) -> None:
        self.set_focus(self.query_one("#filter", Input))

    def action_leave_filter(self) -> None:
        self.query_one("#filter", Input).value = ""
        self.query_one(RunsTable).focus()

    def _say(self, words: str) -> None:
        self.notify(words, severity="warning", markup=False)

    def action_delete(self) -> None:
        """Ask, then delete."""
        run = self._selected_run()
        if run is None or self._asks_to_delete:
            return
        if run.is_live:
            self._say(f"{run.name} is being trained. Stop it first.")
            return
        self._asks_to_delete = True

        def measure() -> None:
            from tui_finetune.runs.removal import run_bytes

            self.app.call_from_thread(self._ask_to_delete, run, run_bytes(run))

        self.run_worker(measure, thread=True, group="delete", exit_on_error=False, description=f"looking at {run.name}")

    def _ask_to_delete(self, run: RunDirectory, weight: int) -> None:
        if not self.is_current:  # somebody has gone on to something else meanwhile
            self._asks_to_delete = False
            return

        def answered(answer: str | None) -> None:
            self._asks_to_delete = False
            if answer == "delete":
                self._delete(run)

        self.shared.host.ask(delete_question(run, weight), answered)

    def _delete(self, run: RunDirectory) -> None:
        def work() -> None:
            from tui_finetune.runs.removal import delete_run

            delete_run(run)
            self.app.call_from_thread(self.notify, f"{run.name} is deleted.", markup=False)
            self.app.call_from_thread(self.load)

        self.run_worker(work, thread=True, group="delete", exit_on_error=False, description=f"deleting {run.name}")
