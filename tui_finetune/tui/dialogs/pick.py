"""A small list over the screen, from which one thing is picked."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from tui_finetune.system.terminal import printable
from tui_finetune.tui.dialogs.dialog import Dialog
from tui_finetune.tui.widgets.filter_list import PagedList, fitted


class Pick(Dialog[str | None]):
    """Returns the value that was picked; None on escape.

    Args:
        title: what is to be picked.
        values: the values, each with a few words on it ('' for none).
        current: the value that is set now.
    """

    CSS_PATH = "pick.tcss"
    BINDINGS = [Binding("escape", "dismiss(None)", "Back", show=False)]

    def __init__(self, title: str, values: Sequence[tuple[str, str]], current: str | None = None) -> None:
        super().__init__()
        self.pick_title = title
        self.values = list(values)
        self.current = current

    def compose(self) -> ComposeResult:
        width = min(40, max((cell_len(value) for value, _ in self.values), default=0))
        with Vertical(id="pick"):
            yield Static(self.pick_title, id="pick-title", markup=False)
            yield PagedList(
                *(
                    Option(
                        Content.assemble(
                            ("● " if value == self.current else "  ", "$accent"),
                            fitted(value, width),
                            (f"   {printable(words, lines=False)}" if words else "", "dim"),
                        )
                    )
                    for value, words in self.values
                ),
                markup=False,
            )

    def on_mount(self) -> None:
        values = [value for value, _ in self.values]
        self.query_one(OptionList).highlighted = values.index(self.current) if self.current in values else 0

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self.dismiss(self.values[event.option_index][0])
