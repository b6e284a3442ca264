"""A widget that shows rows of cells and tells what the mouse does on them."""

from __future__ import annotations

from collections.abc import Sequence

from textual import events
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget


class Canvas(Widget):
    """Shows the rows it was given last. Of new ones only what is other goes to the terminal."""

    class Resized(Message):
        """There is more room, or less."""

    class Clicked(Message):
        """The mouse was pressed and let go at a cell."""

        def __init__(self, column: int, row: int) -> None:
            super().__init__()
            self.column, self.row = column, row

    class Dragged(Message):
        """The mouse was moved by so many columns while it was pressed."""

        def __init__(self, columns: int) -> None:
            super().__init__()
            self.columns = columns

    class Wheeled(Message):
        """The wheel was turned at a column."""

        def __init__(self, column: int, *, up: bool) -> None:
            super().__init__()
            self.column, self.up = column, up

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._rows: list[Strip] = []
        self._pressed_at: int | None = None
        self._dragged = False

    def on_resize(self) -> None:
        self.post_message(self.Resized())

    def show(self, rows: Sequence[Strip]) -> None:
        """Show these rows."""
        before, self._rows = self._rows, list(rows)
        width = self.size.width
        changed = [
            Region(begin, number, end - begin, 1)
            for number in range(max(len(before), len(self._rows)))
            if (span := _difference(_at(before, number), _at(self._rows, number), width)) is not None
            for begin, end in [span]
        ]
        if changed:
            self.refresh(*changed)

    def render_line(self, y: int) -> Strip:
        width, style = self.size.width, self.rich_style
        row = _at(self._rows, y)
        return row.adjust_cell_length(width).apply_style(style) if row is not None else Strip.blank(width, style)

    # The mouse

    def on_mouse_down(self, event: events.MouseDown) -> None:
        if event.button == 1:
            self._pressed_at, self._dragged = event.x, False
            self.capture_mouse()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        if self._pressed_at is not None and event.x != self._pressed_at:
            self.post_message(self.Dragged(event.x - self._pressed_at))
            self._pressed_at, self._dragged = event.x, True

    def on_mouse_up(self, event: events.MouseUp) -> None:
        if self._pressed_at is not None:
            self._pressed_at = None
            self.release_mouse()
            if not self._dragged:
                self.post_message(self.Clicked(event.x, event.y))

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.post_message(self.Wheeled(event.x, up=True))

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.post_message(self.Wheeled(event.x, up=False))


def _at(rows: Sequence[Strip], number: int) -> Strip | None:
    return rows[number] if 0 <= number < len(rows) else None


def _difference(before: Strip | None, now: Strip | None, width: int) -> tuple[int, int] | None:
    """The columns from the first to the last that are other; None where none is."""
    if before is None or now is None:
        return (0, width) if before is not now else None
    if before == now:
        return None
    one, other = _cells(before), _cells(now)
    if len(one) != len(other):
        return 0, width
    changed = [column for column, (a, b) in enumerate(zip(one, other, strict=True)) if a != b]
    return (changed[0], changed[-1] + 1) if changed else None


def _cells(strip: Strip) -> list[tuple[str, object]]:
    return [(sign, segment.style) for segment in strip for sign in segment.text]
