"""The queue: the runs that wait for their turn, in their order, which is changed here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option
from textual.worker import Worker, WorkerState

from tui_finetune.errors import UserError
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.queue import Queue, QueuedRun
from tui_finetune.runs.queue_status import counts, status_words
from tui_finetune.system.terminal import printable
from tui_finetune.tui.dialogs.confirm import Confirm
from tui_finetune.tui.dialogs.dialog import Dialog
from tui_finetune.tui.question import Choice, Question
from tui_finetune.tui.state import AppState
from tui_finetune.tui.widgets.filter_list import PagedList, fitted
from tui_finetune.tui.widgets.progress import MUTED

if TYPE_CHECKING:
    from tui_finetune.config.resolve import Resolved

REFRESH_SECONDS = 2.0
STATUS, NAME = 22, 22
"""Columns of the list."""

Start = Callable[[Queue], None]
"""Begins to train what waits, in a process of its own."""


def start_in_background(queue: Queue) -> None:
    """Train what waits in a process of its own."""
    from tui_finetune.training.queue import start_runner

    start_runner(queue)


@dataclass(frozen=True)
class _Seen:
    """The queue as it was read: its runs with their marks and words, and whether somebody trains them."""

    runs: Sequence[tuple[QueuedRun, str, str]]
    running: bool


class QueueDialog(Dialog[None]):
    """Lists the runs in the queue; they are moved, taken out and added here, and their training is started.

    Args:
        shared: what the screens share.
        queue: the queue.
        start: begins to train what waits.
    """

    CSS_PATH = "queue.tcss"
    BINDINGS = [
        Binding("escape", "dismiss(None)", "Back", show=False),
        Binding("s", "start", "Start", show=False),
        Binding("a", "add", "Add what is chosen", show=False),
        Binding("k", "move(-1)", "Up", show=False),
        Binding("j", "move(1)", "Down", show=False),
        Binding("d,delete", "remove", "Remove", show=False),
        Binding("c", "clear", "Clear what has ended", show=False),
    ]

    def __init__(self, shared: AppState, queue: Queue, start: Start = start_in_background) -> None:
        super().__init__()
        self._shared = shared
        self._queue = queue
        self._start = start
        self._seen = _Seen((), False)
        self._wanted: str | None = None

    def compose(self) -> ComposeResult:
        with Vertical(id="queue"):
            yield Static("Queue", id="queue-title", markup=False)
            yield PagedList(markup=False, id="queued")
            yield Static("", id="queue-told", markup=False)
            yield Static(
                "s train  ·  a add what is chosen  ·  k j move  ·  d take out  ·  c clear  ·  enter show  ·  esc back",
                id="queue-keys",
                markup=False,
            )

    def on_mount(self) -> None:
        self.set_interval(REFRESH_SECONDS, self.load)
        self.load()

    # Reading

    def load(self) -> None:
        """Read the queue, in a thread: its runs tell where they are."""

        def work() -> None:
            try:
                runs = [(run, *status_words(run)) for run in self._queue.runs()]
                seen = _Seen(runs, self._queue.is_running)
            except UserError as error:
                self.app.call_from_thread(self._tell_problem, error)
                return
            self.app.call_from_thread(self._show, seen)

        self.run_worker(
            work, thread=True, exclusive=True, group="queue", exit_on_error=False, description="reading the queue"
        )

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        event.stop()
        if event.state == WorkerState.ERROR and event.worker.error is not None:
            self._shared.host.failed(event.worker.error, event.worker.description)

    def _show(self, seen: _Seen) -> None:
        under = self._wanted or (self.selected.id if self.selected is not None else None)
        self._wanted = None
        queued = self.query_one("#queued", PagedList)
        place = queued.highlighted or 0
        if seen != self._seen:
            self._seen = seen
            queued.clear_options()
            queued.add_options([Option(_line(run, mark, words)) for run, mark, words in seen.runs])
        ids = [run.id for run, _, _ in seen.runs]
        if ids:
            queued.highlighted = ids.index(under) if under in ids else min(place, len(ids) - 1)
        queued.display = bool(ids)
        if self.focused is None and ids:
            queued.focus()
        told = counts([run for run, _, _ in seen.runs], running=seen.running)
        self.query_one("#queue-title", Static).update(f"Queue: {told}" if told else "Queue")
        self._describe()

    @property
    def selected(self) -> QueuedRun | None:
        """The run under the cursor."""
        at = self.query_one("#queued", PagedList).highlighted
        return self._seen.runs[at][0] if at is not None and at < len(self._seen.runs) else None

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        event.stop()
        self._describe()

    def _describe(self) -> None:
        run = self.selected
        if run is None:
            words = "Nothing waits. a adds a run of what is chosen; `finetune-tui sweep` adds a grid of runs."
        elif run.reason:
            words = run.reason
        elif not self._seen.running and any(each.state != "ended" for each, _, _ in self._seen.runs):
            words = "Not started. s trains them one after the other, also after you leave the app."
        else:
            words = ""
        self.query_one("#queue-told", Static).update(Content.styled(printable(words, lines=False), MUTED))

    def _tell_problem(self, error: UserError) -> None:
        words = printable(f"{error.message}; {error.remedy}", lines=False)
        self.query_one("#queue-told", Static).update(Content.assemble(("✗ ", "$error"), words))

    # Changing

    def _do(self, change: Callable[[], object], description: str) -> None:
        def work() -> None:
            try:
                change()
            except UserError as error:
                self.app.call_from_thread(self._shared.host.refuse, error)
            self.app.call_from_thread(self.load)

        self.run_worker(work, thread=True, group="queue change", exit_on_error=False, description=description)

    def action_start(self) -> None:
        self._do(lambda: self._start(self._queue), "starting the queue")

    def action_add(self) -> None:
        draft = self._shared.draft
        resolved = draft.resolved
        if resolved is None or draft.hindrance is not None:
            problem = draft.hindrance or UserError("what is chosen can't be read", "look at the Settings screen")
            self._shared.host.refuse(problem, "Not yet")
            return
        self._do(lambda: self._add(resolved), "adding a run to the queue")

    def _add(self, resolved: Resolved) -> None:
        from tui_finetune.training.queue import queued_here

        added = queued_here(resolved)
        self._queue.add([added])
        self._wanted = added.id

    def action_move(self, by: int) -> None:
        run = self.selected
        if run is not None and run.state == "waiting":
            self._do(lambda: self._queue.move(run.id, by), "moving a run")

    def action_remove(self) -> None:
        run = self.selected
        if run is None:
            return
        if run.state == "ended":
            self._do(lambda: self._queue.remove([run.id]), "taking a run out of the queue")
            return

        def answered(answer: str | None) -> None:
            if answer == "remove":
                self._do(lambda: self._queue.remove([run.id]), "taking a run out of the queue")

        after = (
            "What was trained of it stays." if run.run else "Nothing was trained of it yet; its settings are forgotten."
        )
        question = Question(
            "Take this run out of the queue?",
            f"{printable(run.title, lines=False)}\n{after}",
            (Choice("keep", "escape", "Keep"), Choice("remove", "x", "Take it out")),
        )
        self.app.push_screen(Confirm(question), answered)

    def action_clear(self) -> None:
        self._do(self._queue.clear_ended, "clearing the queue")

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Show the run on the Training screen."""
        event.stop()
        run = self.selected
        if run is not None and run.run and RunDirectory(Path(run.run)).exists:
            self.dismiss(None)
            self._shared.monitor.watch(RunDirectory(Path(run.run)))


def _line(run: QueuedRun, mark: str, words: str) -> Content:
    style = {"ended": MUTED, "started": "$accent"}.get(run.state, "")
    return Content.assemble(
        (fitted(f"{mark} {words}", STATUS), style),
        " ",
        fitted(run.name or "–", NAME),
        " ",
        (printable(run.varied_words or run.title, lines=False), MUTED),
    )
