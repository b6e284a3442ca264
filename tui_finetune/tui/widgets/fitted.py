"""Text that is laid out for the width there is, and anew where that changes."""

from __future__ import annotations

from collections.abc import Callable

from textual.content import Content
from textual.widgets import Static


class Fitted(Static):
    """What is shown depends on the width, as a bar does.

    Args:
        id: of the widget.
    """

    def __init__(self, *, id: str) -> None:
        super().__init__("", id=id, markup=False)
        self._make: Callable[[int], Content] | None = None
        self._width = 0

    def fit(self, make: Callable[[int], Content]) -> None:
        """Show what is made for a width in cells, now and whenever there is another."""
        self._make = make
        self._show()

    def on_resize(self) -> None:
        if self.content_size.width != self._width:
            self._width = self.content_size.width
            self._show()

    def _show(self) -> None:
        if self._make is not None and self._width:
            self.update(self._make(self._width))
