"""The line at the top: the program's screens, the current one marked."""

from __future__ import annotations

from rich.cells import cell_len
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.events import Click
from textual.widgets import Static

TABS = (
    ("model", "1", "Model"),
    ("dataset", "2", "Dataset"),
    ("settings", "3", "Settings"),
    ("training", "4", "Training"),
    ("chat", "5", "Chat"),
    ("runs", "6", "Runs"),
)
"""Mode, key and title of each screen, in order."""


class Tab(Static):
    """One screen's name; a click goes there."""

    def __init__(self, mode: str, key: str, title: str, *, current: bool) -> None:
        super().__init__(
            Text.assemble((key, "dim" if not current else ""), " ", title), classes="-current" if current else ""
        )
        self.mode = mode

    def on_click(self, event: Click) -> None:
        event.stop()
        self.app.switch_mode(self.mode)


class RunLight(Static):
    """What the run is doing, in as many words as there is room for."""

    def __init__(self) -> None:
        super().__init__("", id="run-light", markup=False)
        self._words: tuple[str, ...] = ("",)

    def show(self, words: tuple[str, ...]) -> None:
        """Show the first of the words that has room, the last where none has."""
        if words != self._words:
            self._words = words
            self._fit()

    def on_resize(self) -> None:
        self._fit()

    def _fit(self) -> None:
        room = self.content_size.width
        self.update(next((w for w in self._words if cell_len(w) <= room), self._words[-1]), layout=False)


class TabBar(Horizontal):
    """The tabs, as a row. ``current`` is the mode of the screen it stands on."""

    def __init__(self, current: str) -> None:
        super().__init__()
        self.current = current

    def compose(self) -> ComposeResult:
        for mode, key, title in TABS:
            yield Tab(mode, key, title, current=mode == self.current)
        yield RunLight()

    def show_run(self, *words: str) -> None:
        """Say at the right end what the run is doing, in the first of the words that have room; nothing without a run."""
        self.query_one(RunLight).show(words)
