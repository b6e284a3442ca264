"""The list from which somebody to talk to is picked: runs, models on this machine, or a name that is typed."""

from __future__ import annotations

from pathlib import Path

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.widgets import Static

from tui_finetune.errors import UserError
from tui_finetune.models.adapters import holds_model
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.registry import known_runs
from tui_finetune.system.terminal import printable
from tui_finetune.tui.dialogs.dialog import Dialog
from tui_finetune.tui.widgets.filter_list import FilterList, Item

MAX_RUNS = 50


def talkers(base: Path) -> list[Item]:
    """All that can be talked to without the network: the newest runs that saved a model, then models. Reads files."""
    from tui_finetune.models.catalog import list_models

    items: list[Item] = []
    finals: set[Path] = set()
    bases: list[str] = []
    for run in known_runs(base)[:MAX_RUNS]:
        final = holds_model(run.final_dir)
        if not final and not any(run.checkpoints_dir.glob("checkpoint-*/manifest.json")):
            continue
        finals.add(run.final_dir.absolute())
        note = "final model" if final else "checkpoint"
        items.append(Item(str(run.path), run.name, note, "Runs, the newest first"))
        bases.append(_base_of(run))
    for entry in list_models(base):
        if entry.path is not None and entry.path.absolute() in finals:
            continue
        note = "what a run began from" if entry.name in bases else ""
        items.append(Item(entry.name, entry.name, note, "Models on this machine"))
    return items


def _base_of(run: RunDirectory) -> str:
    """The model that a run began from; '' where its configuration can't be read."""
    try:
        return run.read_config().model_name_or_path
    except UserError:
        return ""


class PickModel(Dialog[str | None]):
    """Returns a name that resolve_chat_target takes; None on escape.

    Args:
        current: whom is talked to now.
    """

    CSS_PATH = "pick_model.tcss"
    BINDINGS = [Binding("escape", "dismiss(None)", "Back", show=False)]

    def __init__(self, current: str | None) -> None:
        super().__init__()
        self.current = current
        self._items: list[Item] = []

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog"):
            yield Static("Talk to", id="question", markup=False)
            yield FilterList("Filter, or any name on the hub or path of a folder")
            yield Static("enter selects  ·  esc cancels", id="keys", markup=False)

    def on_mount(self) -> None:
        self.query_one(FilterList).focus_filter()
        base = Path.cwd()

        def work() -> None:
            items = talkers(base)
            self.app.call_from_thread(self._show, items)

        self.run_worker(
            work, thread=True, group="pick", exclusive=True, exit_on_error=False, description="looking for models"
        )

    def _show(self, items: list[Item]) -> None:
        if self.is_attached and self.query(FilterList):
            self._items = items
            self._fill(self.query_one(FilterList).text)
            self.query_one(FilterList).mark(self.current)

    def _fill(self, typed: str) -> None:
        typed = typed.strip()
        items = list(self._items)
        if typed and all(item.key != typed for item in items):
            items.append(Item(typed, printable(typed, lines=False), "as typed", "Another", kept=True))
        self.query_one(FilterList).show(items)

    def on_filter_list_typed(self, event: FilterList.Typed) -> None:
        event.stop()
        self._fill(event.text)

    def on_filter_list_picked(self, event: FilterList.Picked) -> None:
        event.stop()
        self.dismiss(event.item.key)
