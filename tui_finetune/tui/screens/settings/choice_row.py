"""One of a few things of which one is taken, as one line."""

from __future__ import annotations

from collections.abc import Callable

from textual.binding import Binding
from textual.content import Content
from textual.geometry import Size
from textual.widget import Widget

QUIET = "$foreground 60%"


class ChoiceRow(Widget, can_focus=True):
    """One of a few things of which one is taken: a mark, its name, and a line on it.

    Args:
        name: its name.
        summary: a line on what it is for; cut where there is little room.
        chosen: called when it is taken.
    """

    DEFAULT_CSS = """
    ChoiceRow { height: 1; width: 1fr; }
    ChoiceRow:focus { background: $block-cursor-background; }
    """
    BINDINGS = [
        Binding(
            "enter,space", "take", "Choose", key_display="enter", id="settings.preset", tooltip="Start from this preset"
        )
    ]

    def __init__(self, name: str, summary: str, chosen: Callable[[str], None]) -> None:
        super().__init__(id=f"preset-{name}")
        self.label = name
        self.summary = summary
        self.current = False
        self._chosen = chosen

    def show(self, current: bool) -> None:
        """Mark it as the one that is taken, or not."""
        if current != self.current:
            self.current = current
            self.refresh()

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return 1

    def render(self) -> Content:
        mark, style = ("●", "$accent") if self.current else ("○", QUIET)
        label = (f" {self.label:<10} ", "bold" if self.has_focus else "" if self.current else QUIET)
        return Content.assemble((mark, style), label, (self.summary, QUIET)).truncate(
            max(self.content_region.width, 1), ellipsis=True
        )

    def action_take(self) -> None:
        self._chosen(self.label)

    def on_click(self) -> None:
        self.action_take()

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()
