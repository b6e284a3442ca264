"""What can be made of a run, with sizes and times; and making it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option
from textual.worker import Worker, WorkerState

from tui_finetune.errors import Cancelled, UserError
from tui_finetune.formatting import size
from tui_finetune.runs import checkpoints
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.system.terminal import printable
from tui_finetune.system.threads import in_a_passing_thread
from tui_finetune.tui.dialogs.dialog import Dialog
from tui_finetune.tui.widgets.filter_list import PagedList, fitted
from tui_finetune.tui.widgets.progress import MUTED, ProgressLine

if TYPE_CHECKING:
    from tui_finetune.export.target import Made
    from tui_finetune.export.targets import Offer

NAMES, SIZES, TIMES = 11, 9, 12
"""Columns of the list."""


@dataclass
class _Progress:
    """How far the making is; written by its thread, read by the screen's timer."""

    done: int = 0
    total: int | None = None
    unit: str = ""
    cancelled: bool = False

    def __call__(self, done: int, total: int | None, unit: str) -> None:
        if self.cancelled:
            raise Cancelled
        self.done, self.total, self.unit = done, total, unit


class ExportDialog(Dialog[None]):
    """Lists what can be made of a run, and makes what is picked, in a thread; esc ends that, or goes back.

    Args:
        run: the run.
        failed: told of what fails through no fault of the user's.
    """

    CSS_PATH = "export.tcss"
    BINDINGS = [
        Binding("escape", "back", "Back", show=False),
        Binding("m", "other_model", "Other model", show=False),
    ]

    def __init__(self, run: RunDirectory, failed: Callable[[BaseException, str], None]) -> None:
        super().__init__()
        self.run = run
        self._failed = failed
        self._which: str | None = None
        self._offers: Sequence[Offer] = ()
        self._progress: _Progress | None = None

    def compose(self) -> ComposeResult:
        with Vertical(id="export"):
            yield Static("", id="export-title", markup=False)
            yield PagedList(markup=False, id="offers")
            yield ProgressLine(id="export-progress")
            with VerticalScroll(id="told", can_focus=False):
                yield Static("", id="export-told", markup=False)
            yield Static("", id="export-keys", markup=False)

    def on_mount(self) -> None:
        self.set_interval(0.1, self._show_progress)
        self.query_one("#export-progress").display = False
        self._look()

    def on_unmount(self) -> None:
        if self._progress is not None:
            self._progress.cancelled = True  # the app ends only when its threads have

    # What can be made

    def _look(self) -> None:
        self.query_one("#export-title", Static).update(f"Export {self.run.name}: {self._model_words()}")
        self._tell(Content("Looking at what can be made …"))
        self._show_keys()

        def work() -> None:
            from tui_finetune.export.subject import subject_of
            from tui_finetune.export.targets import offers

            try:
                found: Sequence[Offer] = offers(subject_of(self.run, self._which))
            except UserError as error:
                self.app.call_from_thread(self._refused, error)
                return
            self.app.call_from_thread(self._known, found)

        self.run_worker(
            work, thread=True, exclusive=True, group="offers", exit_on_error=False, description="looking at the run"
        )

    def _model_words(self) -> str:
        names = {None: "its final model", "best": "its best checkpoint"}
        return names.get(self._which, f"its checkpoint of step {self._which}")

    def _known(self, found: Sequence[Offer]) -> None:
        self._offers = found
        offers = self.query_one("#offers", PagedList)
        before = offers.highlighted
        offers.clear_options()
        offers.add_options([Option(_line(offer)) for offer in found])
        offers.highlighted = min(before or 0, len(found) - 1)
        if self.focused is None:
            offers.focus()
        self._describe()

    def _refused(self, error: UserError) -> None:
        self._offers = ()
        self.query_one("#offers", PagedList).clear_options()
        self._tell(_problem(error))

    @property
    def _offer(self) -> Offer | None:
        at = self.query_one("#offers", PagedList).highlighted
        return self._offers[at] if at is not None and at < len(self._offers) else None

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        event.stop()
        if self._progress is None:
            self._describe()

    def _describe(self) -> None:
        """Say what the one under the cursor is, or why it can't be made."""
        offer = self._offer
        if offer is not None:
            title = Content(printable(offer.title[0].upper() + offer.title[1:] + "."))
            self._tell(title if offer.problem is None else Content("\n").join([title, _problem(offer.problem)]))

    def action_other_model(self) -> None:
        """From the final model to the best checkpoint, to each that is saved, and back."""
        if self._progress is not None:
            return
        saved = [str(checkpoints.step_of(path)) for path in checkpoints.committed(self.run.checkpoints_dir)]
        known: list[str | None] = [None, *(["best"] if saved else []), *reversed(saved)]
        self._which = known[(known.index(self._which) + 1) % len(known)] if self._which in known else None
        self._look()

    # Making it

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        offer = self._offer
        if self._progress is not None or offer is None:
            return
        if offer.problem is not None:
            self._describe()
        elif offer.target.name == "hub":
            self._ask_for_repository()
        else:
            self._make(offer.target.name, {"kind": offer.name.split()[1]} if " " in offer.name else {})

    def _ask_for_repository(self) -> None:
        from tui_finetune.models.hub import NAME
        from tui_finetune.tui.dialogs.ask import Ask

        def answered(name: str | None) -> None:
            if name is not None:
                self._make("hub", {"repo": name})

        self.app.push_screen(
            Ask(
                "What shall the repository be called?",
                "It is new, and only you can see it. Everything else of the run stays here.",
                self.run.name,
                lambda name: "" if NAME.match(name) else "Name it as me/my-model.",
            ),
            answered,
        )

    def _make(self, name: str, options: dict[str, str]) -> None:
        self._progress = progress = _Progress(unit="getting ready")
        self.query_one("#export-progress").display = True
        self._tell(Content(""))
        self._show_keys()

        def work() -> Made:
            from tui_finetune.export.subject import subject_of
            from tui_finetune.export.target import export_to
            from tui_finetune.export.targets import TARGETS
            from tui_finetune.system.libraries import import_libraries, quiet_libraries

            import_libraries("torch", "transformers", "datasets")
            quiet_libraries()
            return export_to(TARGETS[name](**options), subject_of(self.run, self._which), None, progress)

        self.run_worker(
            lambda: in_a_passing_thread(work),
            thread=True,
            group="export",
            exit_on_error=False,
            description=f"exporting {self.run.name}",
        )

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        event.stop()
        if event.worker.group != "export":
            if event.state == WorkerState.ERROR and event.worker.error is not None:
                self._failed(event.worker.error, event.worker.description)
            return
        if event.state not in {WorkerState.SUCCESS, WorkerState.ERROR, WorkerState.CANCELLED}:
            return
        self._progress = None
        self.query_one("#export-progress").display = False
        self._show_keys()
        error = event.worker.error
        if event.state == WorkerState.SUCCESS:
            self._tell(_made(event.worker.result))
        elif isinstance(error, UserError):
            self._tell(_problem(error))
        elif error is None or isinstance(error, Cancelled):
            self._tell(Content("Stopped. Nothing was written."))
        else:
            self._tell(Content(f"✗ It failed: {printable(str(error), lines=False)}"))
            self._failed(error, event.worker.description)

    def _show_progress(self) -> None:
        progress = self._progress
        if progress is None:
            return
        line = self.query_one("#export-progress", ProgressLine)
        if progress.total:
            is_bytes = progress.unit == "B"
            done, total = (size(n) if is_bytes else f"{n:,}" for n in (progress.done, progress.total))
            counts = f"{done} / {total}" + ("" if is_bytes else f" {progress.unit}")
            line.show(progress.done / progress.total, counts)
        else:
            line.show(None, f"{progress.unit} …")

    def action_back(self) -> None:
        if self._progress is None:
            self.dismiss(None)
        elif not self._progress.cancelled:
            self._progress.cancelled = True
            self._tell(Content("Stopping …"))

    def _tell(self, content: Content) -> None:
        self.query_one("#export-told", Static).update(content)

    def _show_keys(self) -> None:
        keys = "esc stops it" if self._progress is not None else "enter makes it  ·  m another model  ·  esc goes back"
        self.query_one("#export-keys", Static).update(keys)


def _line(offer: Offer) -> Content:
    name = fitted(offer.name, NAMES)
    if offer.problem is not None:
        return Content.styled(f"{name} {'–':>{SIZES}} {'–':>{TIMES}}", MUTED)
    figures = f" {offer.size_words:>{SIZES}} {offer.time_words:>{TIMES}}"
    return Content.assemble((name, "bold"), (figures, MUTED))


def _problem(error: UserError) -> Content:
    words = [Content.assemble(("✗ ", "$error"), printable(error.message, lines=False))]
    if error.remedy:
        words.append(Content.styled(f"→ {printable(error.remedy, lines=False)}", MUTED))
    return Content("\n").join(words)


def _made(made: object) -> Content:
    from tui_finetune.export.target import Made
    from tui_finetune.system.paths import short_path

    if not isinstance(made, Made):
        return Content("")
    place = short_path(made.place) if made.place.startswith("/") else made.place
    head = Content.assemble(
        ("✓ ", "$success"), (printable(place, lines=False), "bold"), (f"  {size(made.bytes)}", MUTED)
    )
    notes = [Content(printable(note, lines=False)) for note in made.notes]
    commands = [Content.styled(f"  {printable(command, lines=False)}", "$accent") for command in made.commands]
    return Content("\n").join([head, *notes, *commands])
