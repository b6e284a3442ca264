"""Help on a screen: what it is for, its keys, and the words of the field."""

from __future__ import annotations

from collections.abc import Iterable

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.dom import DOMNode
from textual.screen import Screen
from textual.widgets import Static

from tui_finetune.tui.dialogs.dialog import Dialog
from tui_finetune.tui.dialogs.glossary import GLOSSARY

_WORDS = {
    "question_mark": "?", "slash": "/", "plus": "+", "minus": "-", "left_square_bracket": "[", "equals_sign": "=",
    "right_square_bracket": "]", "up": "↑", "down": "↓", "left": "←", "right": "→", "f1": "F1", "f2": "F2", "f3": "F3",
    "f4": "F4", "f5": "F5", "f6": "F6", "delete": "del", "pageup": "pgup", "pagedown": "pgdn", "comma": ",",
    "full_stop": ".", "underscore": "_",
}  # fmt: skip
"""How keys are written that have another name inside."""


def described(bindings: Iterable[BindingType]) -> list[Binding]:
    """The bindings that are meant for a person: those with an id and words on what they do."""
    return [b for b in bindings if isinstance(b, Binding) and b.id and (b.tooltip or b.description)]


def own_bindings(node: DOMNode) -> list[Binding]:
    """The described bindings of a node's class and the classes it is made from, its own first."""
    return [b for cls in type(node).__mro__ for b in described(vars(cls).get("BINDINGS", ()))]


def keys_of(screen: Screen[None]) -> tuple[list[Binding], list[Binding]]:
    """The keys of a screen: those that work here, wherever on it the focus is, and those that work everywhere.

    A binding that stands on several widgets is named once.
    """
    everywhere = own_bindings(screen.app)
    seen = {binding.id for binding in everywhere}
    here: list[Binding] = []
    for node in (screen, *screen.walk_children(with_self=False)):
        for binding in own_bindings(node):
            if binding.id not in seen:
                seen.add(binding.id)
                here.append(binding)
    return here, everywhere


def written_keys(binding: Binding) -> str:
    """The keys of a binding as a person reads them, several with a space between."""
    keys = [_WORDS.get(key.strip(), key.strip()) for key in binding.key.split(",")]
    if binding.key_display and len(keys) == 1:
        return binding.key_display
    return " ".join(dict.fromkeys(keys))


class HelpScreen(Dialog[None]):
    """Help on a screen.

    Args:
        title: what the screen is called.
        text: what it is for, a paragraph a line.
        about: the screen, for its keys.
    """

    CSS_PATH = "help.tcss"
    AUTO_FOCUS = "#help"
    BINDINGS = [Binding("escape,question_mark,f1,q", "dismiss(None)", "Back", show=False)]

    def __init__(self, title: str, text: str, about: Screen[None]) -> None:
        super().__init__()
        self.about = about
        self._title = title
        self._text = text

    def compose(self) -> ComposeResult:
        here, everywhere = keys_of(self.about)
        with VerticalScroll(id="help"):
            yield Static(self._title, id="help-title", markup=False)
            for number, paragraph in enumerate(self._text.split("\n")):
                yield Static(paragraph, classes="paragraph" if number else "", markup=False)
            if here:
                yield Static("Keys here", classes="heading", markup=False)
                yield Static(self._table(here), markup=False)
            yield Static("Keys everywhere", classes="heading", markup=False)
            yield Static(self._table(everywhere), markup=False)
            yield Static("Words", classes="heading", markup=False)
            for term, meaning in GLOSSARY.items():
                yield Static(Content.assemble((term, "bold"), "  ", meaning), classes="term", markup=False)
            yield Static("esc closes  ·  up and down scroll", id="closing", markup=False)

    def _table(self, bindings: list[Binding]) -> Table:
        table = Table.grid(padding=(0, 2), expand=True)
        table.add_column(width=11)
        table.add_column(ratio=1)
        tabs = [binding for binding in bindings if (binding.id or "").startswith("tab.")]
        if tabs:
            names = ", ".join(binding.description for binding in tabs)
            table.add_row(Text(f"{tabs[0].key} to {tabs[-1].key}", style="bold"), Text(f"Go to {names}"))
        for binding in bindings:
            if binding not in tabs:
                table.add_row(Text(written_keys(binding), style="bold"), Text(binding.tooltip or binding.description))
        return table
