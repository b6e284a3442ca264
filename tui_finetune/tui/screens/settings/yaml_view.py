"""The whole configuration, as the YAML file that a run is made from."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from tui_finetune.config.form import annotated
from tui_finetune.config.resolve import Resolved
from tui_finetune.tui.dialogs.dialog import Dialog

NOTE_COLUMN = 44
"""Where notes on origins begin, if the line is not longer."""


def noted_yaml(resolved: Resolved, text: str) -> Content:
    """The YAML with a quiet note behind each value that is not the default."""
    parts: list[tuple[str, str]] = []
    for line, origin in annotated(resolved, text):
        if line.startswith("#"):
            parts.append((line, "$foreground 60%"))
        elif origin:
            parts += [(f"{line:<{NOTE_COLUMN}}", "bold"), (f"  # {origin}", "$foreground 60%")]
        else:
            parts.append((line, ""))
        parts.append(("\n", ""))
    return Content.assemble(*parts)


class YamlView(Dialog[bool]):
    """Shows a configuration; returns whether it is to be saved as a file.

    Args:
        resolved: the configuration, with where its values come from.
        text: it as YAML.
    """

    CSS_PATH = "yaml_view.tcss"
    BINDINGS = [
        Binding("escape,v,q", "dismiss(False)", "Back", show=False),
        Binding("ctrl+s,s", "dismiss(True)", "Save", show=False),
    ]

    def __init__(self, resolved: Resolved, text: str) -> None:
        super().__init__()
        self._resolved = resolved
        self._text = text

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog"):
            yield Static(f"Configuration, from preset {self._resolved.preset}", id="question", markup=False)
            with VerticalScroll(id="lines"):
                yield Static(noted_yaml(self._resolved, self._text), markup=False)
            yield Static("s saves it as a file  ·  esc goes back", id="keys", markup=False)
