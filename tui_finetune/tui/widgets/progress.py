"""Progress bars in eighths of a character."""

from __future__ import annotations

import math

from textual.content import Content
from textual.widgets import Static

MUTED = "$muted"
"""The style of labels and side remarks inside a text; the theme's $text-muted only works in style sheets."""

_EIGHTHS = " ▏▎▍▌▋▊▉"


def bar(share: float, width: int, style: str = "$primary") -> Content:
    """A bar that is filled to a share of its width.

    Args:
        share: from 0 to 1; what is beyond is cut.
        width: characters.
        style: color of the filled part.
    """
    eighths = math.floor(min(max(share, 0.0), 1.0) * width * 8)
    full, rest = divmod(eighths, 8)
    filled = "█" * full + (_EIGHTHS[rest] if full < width and rest else "")
    return Content.assemble((filled, f"{style} on $panel"), (" " * (width - len(filled)), "on $panel"))


def gauge(share: float, width: int, style: str = "$secondary") -> Content:
    """A thin bar, in halves of a character, for small figures that stand close below each other."""
    halves = round(min(max(share, 0.0), 1.0) * width * 2)
    full, half = divmod(halves, 2)
    filled = "━" * full + "╸" * half
    # Thinner, so that it shows without colors too.
    return Content.assemble((filled, style), ("─" * (width - len(filled)), "$muted"))


def percent(share: float) -> str:
    """Rounded down: 100 % is only said of what is done."""
    return f"{math.floor(100 * min(max(share, 0.0), 1.0) + 1e-9)} %"


class ProgressLine(Static):
    """A label, a bar, percent and counts, in one line of whatever width there is. Without a total only the counts.

    Args:
        label: what it is the progress of.
    """

    def __init__(self, label: str = "", *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__("", id=id, classes=classes, markup=False)
        self.label = label
        self._shown: tuple[float | None, str] | None = None

    def show(self, share: float | None, counts: str = "", label: str | None = None) -> None:
        """Show progress.

        Args:
            share: from 0 to 1; None where the total isn't known.
            counts: what is done, in words: '182 / 600'.
            label: another label.
        """
        if label is not None and label != self.label:
            self.label, self._shown = label, None
        if (share, counts) != self._shown:
            self._shown = (share, counts)
            self._draw()

    def on_resize(self) -> None:
        self._draw()

    def _draw(self) -> None:
        width = self.size.width
        if self._shown is None or width == 0:
            return
        share, counts = self._shown
        label = Content.styled(f"{self.label}  " if self.label else "", MUTED)
        if share is None:
            self.update(Content.assemble(label, counts), layout=False)
            return
        words = f" {percent(share):>5}"
        tail = f"  {counts}" if counts else ""
        if width - label.cell_length - len(words) - len(tail) < 8:
            tail = ""
        room = width - label.cell_length - len(words) - len(tail)
        if room < 4:
            self.update(Content.assemble(label, words.strip()), layout=False)
            return
        self.update(Content.assemble(label, bar(share, room), words, (tail, MUTED)), layout=False)
