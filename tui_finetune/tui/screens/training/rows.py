"""Rows of numbers, below each other or side by side, and the panel that shows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from textual.content import Content
from textual.widgets import Static

from tui_finetune.tui.widgets.progress import MUTED, gauge

Tone = Literal["", "better", "worse"]
_STYLES: dict[Tone, str] = {"": MUTED, "better": "$success", "worse": "$error"}

LABEL_WIDTH = 10
GAUGE_WIDTH = 6
FLAT_WIDTH = 40
"""From this width on rows stand beside each other where there are few lines."""

_HEAT = "▁▂▃▄▅▆▇"
_HEAT_STYLES = ("$chart-raw", "$secondary", "$chart-smoothed")
"""Of the lowest third, the middle one and the highest."""


@dataclass(frozen=True)
class Row:
    """One number: its label, the number, and a word on it in the tone of better or worse.

    Attributes:
        group: what belongs together has one.
        rank: what is left out first where there is little room has the highest.
        gauge: a share from 0 to 1, where a small bar tells more.
        heat: shares of the last readings, oldest first, as a strip that stands for value and note.
    """

    label: str
    value: str
    note: str = ""
    tone: Tone = ""
    gauge: float | None = None
    group: int = 0
    rank: int = 0
    heat: tuple[float, ...] = ()


def heat_strip(shares: tuple[float, ...], width: int) -> Content:
    """The newest shares from 0 to 1, one to a column, each as high and as bright as it is."""
    parts = []
    for share in shares[-width:]:
        level = min(max(share, 0.0), 1.0)
        parts.append((_HEAT[min(int(level * len(_HEAT)), len(_HEAT) - 1)], _HEAT_STYLES[min(int(level * 3), 2)]))
    return Content.assemble(*parts)


def _line(row: Row) -> tuple[Content, Content]:
    """A row without and with its note."""
    line = Content.assemble((f"{row.label:<{LABEL_WIDTH}}", MUTED), (row.value, "bold"))
    return line, Content.assemble(line, "  ", (row.note, _STYLES[row.tone])) if row.note else line


def _that_fit(rows: list[Row], height: int) -> list[Row]:
    """As many rows as there are lines, those of the highest rank left out."""
    by_rank = sorted(range(len(rows)), key=lambda number: (rows[number].rank, number))
    kept = set(by_rank[: max(height, 0)])
    return [row for number, row in enumerate(rows) if number in kept]


def stacked(rows: list[Row], width: int, height: int) -> Content:
    """The rows one below the other, groups apart where there is room, the least important left out where there is little."""
    rows = _that_fit(rows, height)
    apart = len(rows) + len({row.group for row in rows}) - 1 <= height
    # Bars stand in one column, so either all of them fit or there are none.
    gauges = all(_line(row)[1].cell_length + GAUGE_WIDTH + 2 <= width for row in rows if row.gauge is not None)
    lines: list[Content] = []
    group = rows[0].group if rows else 0
    for row in rows:
        if apart and row.group != group:
            lines.append(Content(""))
        group = row.group
        bare, noted = _line(row)
        line = noted if noted.cell_length <= width else bare
        if row.heat:
            line = Content.assemble(" " * LABEL_WIDTH, heat_strip(row.heat, width - LABEL_WIDTH))
        elif gauges and row.gauge is not None:
            pad = " " * (width - GAUGE_WIDTH - line.cell_length)
            line = Content.assemble(line, pad, gauge(row.gauge, GAUGE_WIDTH))
        lines.append(line)
    return Content("\n").join(lines)


def side_by_side(rows: list[Row], width: int, height: int) -> Content:
    """The rows in columns, for narrow screens."""
    columns = max(width // 18, 1)
    cell = width // columns
    rows = _that_fit([row for row in rows if not row.heat], columns * height)
    lines: list[Content] = []
    for begin in range(0, len(rows), columns):
        parts = []
        for row in rows[begin : begin + columns]:
            mark = row.note[:1] if row.tone else row.note
            part = Content.assemble((f"{row.label} ", MUTED), (row.value, "bold"))
            note = Content.assemble(" ", (mark, _STYLES[row.tone])) if mark else Content("")
            if part.cell_length + note.cell_length < cell:
                part = Content.assemble(part, note)
            parts.append(part.pad_right(max(cell - part.cell_length, 0)))
        lines.append(Content("").join(parts))
    return Content("\n").join(lines[:height])


class NumbersPanel(Static):
    """Shows rows of numbers, below each other or, where it is wide and flat, beside each other."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__("", id=id, markup=False)
        self._rows: list[Row] = []

    def show(self, rows: list[Row]) -> None:
        if rows != self._rows:
            self._rows = rows
            self._draw()

    def on_resize(self) -> None:
        self._draw()

    def _draw(self) -> None:
        width, height = self.size
        if width and height:
            flat = width >= FLAT_WIDTH and width > 3 * height
            self.update((side_by_side if flat else stacked)(self._rows, width, height), layout=False)
