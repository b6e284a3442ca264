"""Text that is laid out for the width there is."""

from __future__ import annotations

from collections.abc import Callable

from textual.content import Content
from textual.geometry import Size
from textual.widget import Widget


class Fitted(Widget):
    """What is shown depends on the width, as a bar does. Made as it is drawn, so that it never stands there too wide or too
    narrow, not even for a frame.

    Args:
        id: of the widget.
    """

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id, markup=False)
        self._make: Callable[[int], Content] = lambda _: Content("")

    def fit(self, make: Callable[[int], Content]) -> None:
        """Show what is made for a width in cells, whatever that is."""
        self._make = make
        self.refresh(layout=True)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return self._make(width).get_height({}, width) if width else 0

    def render(self) -> Content:
        return self._make(self.content_size.width)
