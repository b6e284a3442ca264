"""The picture of a chart: plotext draws cells and axes, which are handed on row by row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from functools import lru_cache
from typing import Any

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from tui_finetune.tui.widgets.chart.axis import Axis
from tui_finetune.tui.widgets.chart.raster import BRAILLE, Glyphs, Points, Raster

SMALLEST = (16, 4)
"""Columns and rows below which a chart with axes shows nothing."""


class Ink(IntEnum):
    """What is drawn, by the number that plotext is given as its color: colors are only chosen behind it."""

    AXIS = 1
    BEFORE = 2
    RAW = 3
    EVALUATION = 4
    SMOOTHED = 5
    POINT = 6
    BEST = 7
    CURSOR = 8
    SAVED = 9
    RESUMED = 10
    CHANGED = 11
    ASKED = 12


Palette = Mapping[int, Style]
"""The style of each ink. The style of a curve that is only the ground of others has a background."""

_LINES = (Ink.BEFORE, Ink.RAW, Ink.EVALUATION, Ink.SMOOTHED)


@dataclass
class Layers:
    """What is drawn, already thinned.

    Attributes:
        lines: curves by their ink.
        before: a value across which a dotted line is drawn.
        points: of these a mark each.
        best: the best of them.
        cursor: step and value that the crosshair is on; the value may be None.
        marks: steps that have a mark on the axis, each with its sign and its ink; later ones cover earlier ones.
    """

    lines: dict[int, Points] = field(default_factory=dict)
    before: float | None = None
    points: Points = field(default_factory=lambda: ([], []))
    best: tuple[float, float] | None = None
    cursor: tuple[float, float | None] | None = None
    marks: list[tuple[float, str, int]] = field(default_factory=list)


@dataclass(frozen=True)
class Picture:
    """Rows of cells, the upper one first: a character, its ink (0 for none) and the ink of its ground (0 for none)."""

    rows: tuple[tuple[tuple[str, int, int], ...], ...] = ()

    @property
    def plain(self) -> str:
        """The characters alone."""
        return "\n".join("".join(sign for sign, _, _ in row) for row in self.rows)

    def strips(self, palette: Palette) -> list[Strip]:
        """What a widget shows."""
        return [_strip(row, palette) for row in self.rows]


def _strip(row: tuple[tuple[str, int, int], ...], palette: Palette) -> Strip:
    segments: list[Segment] = []
    begin = 0
    for column in range(1, len(row) + 1):
        if column == len(row) or row[column][1:] != row[begin][1:]:
            ink, ground = row[begin][1:]
            text = "".join(sign for sign, _, _ in row[begin:column])
            segments.append(Segment(text, _style(palette.get(ink), palette.get(ground))))
            begin = column
    return Strip(segments, len(row))


@lru_cache(256)
def _style(ink: Style | None, ground: Style | None) -> Style | None:
    """An ink on a ground."""
    if ground is None or ground.bgcolor is None:
        return ink and Style(color=ink.color, dim=ink.dim, bold=ink.bold)
    return Style(color=ink.color if ink else None, bgcolor=ground.bgcolor, bold=ink.bold if ink else None)


def margin(axes: Iterable[Axis]) -> int:
    """Columns that the labels of these axes of values take, so that charts below each other have one."""
    return max((len(label) for axis in axes for label in axis.labels), default=0) + 1


def draw(layers: Layers, x: Axis, y: Axis, left: int, glyphs: Glyphs = BRAILLE, *, below: bool = True) -> Picture:
    """Draw a chart.

    Args:
        layers: what to draw.
        x, y: the axes, of as many cells as there is room within the frame.
        left: columns for the labels of y; the axis comes behind them.
        glyphs: what dots are drawn with.
        below: whether the axis of x is drawn, which takes two rows.
    """
    figure = _figure(x, y, left, below=below)
    raster = Raster(x, y, glyphs)
    if layers.before is not None:
        raster.dotted(Ink.BEFORE, layers.before)
    for ink, points in layers.lines.items():
        raster.line(ink, points)
    order = [*(ink for ink in _LINES if ink in raster.curves), *(ink for ink in raster.curves if ink not in _LINES)]
    inked = raster.inked(order, faint=(Ink.RAW,))
    signs = {cell: (shown.sign, shown.curve) for cell, shown in inked.items()}
    grounds = {cell: shown.ground for cell, shown in inked.items() if shown.ground is not None}
    for cell, sign, ink in _marks(layers, raster, glyphs):
        under = next((curve for curve in (Ink.SMOOTHED, Ink.RAW) if cell in raster.curves.get(curve, ())), None)
        if under is not None and ink != Ink.CURSOR:
            grounds[cell] = under
        if ink != Ink.CURSOR or sign == glyphs.cursor or cell not in signs:
            signs[cell] = (sign, ink)
    _scatter(figure, signs, y.cells)
    # As figure.build, which then makes escape sequences of the cells; they are wanted as they are.
    figure._set_sizes()
    figure._build_matrix()
    matrix = figure.monitor.matrix
    if below:
        for step, sign, ink in layers.marks:
            if (column := x.dot(step)) is not None:
                matrix.insert_element(left + 1 + column, 1, sign, int(ink))
    rows = []
    for row in range(len(matrix.marker)):
        inks = matrix.fullground[-1 - row]
        cells = zip(matrix.marker[-1 - row], inks, strict=True)
        rows.append(
            tuple(
                (sign, ink if isinstance(ink, int) else 0, grounds.get((column - left - 1, row), 0))
                for column, (sign, ink) in enumerate(cells)
            )
        )
    return Picture(tuple(rows))


def _marks(layers: Layers, raster: Raster, glyphs: Glyphs) -> Iterable[tuple[tuple[int, int], str, int]]:
    """What takes whole cells: crosshair, points, the best one, from the bottom up."""
    if layers.cursor is not None and (column := raster.x.dot(layers.cursor[0])) is not None:
        for row in range(raster.y.cells):
            yield (column, row), "│", Ink.CURSOR
    for step, value in zip(*layers.points, strict=True):
        if (cell := raster.cell(step, value)) is not None:
            yield cell, glyphs.point, Ink.POINT
    if layers.best is not None and (cell := raster.cell(*layers.best)) is not None:
        yield cell, glyphs.best, Ink.BEST
    if layers.cursor is not None and layers.cursor[1] is not None:
        cell = raster.cell(layers.cursor[0], layers.cursor[1])
        if cell is not None:
            yield cell, glyphs.cursor, Ink.CURSOR


def _figure(x: Axis, y: Axis, left: int, *, below: bool) -> Any:
    """A figure whose coordinates are cells: (0, 0) is the lower left one."""
    from textual_plotext.plot import Plot

    figure = Plot()
    size = left + 1 + x.cells, y.cells + (2 if below else 0)
    figure.plotsize(*size)
    # plotsize alone leaves a new figure at the size of the terminal (textual-plotext's issue 5).
    figure._set_size(*size)
    figure.canvas_color("default")
    figure.axes_color("default")
    figure.ticks_color(int(Ink.AXIS))
    figure.xaxes(below, False)
    figure.yaxes(True, False)
    figure.xlim(0, x.cells - 1)
    figure.ylim(0, y.cells - 1)
    heights = y.marks or {0: ""}  # plotext needs one, for the room of the labels
    figure.yticks(list(heights), [f"{label:>{left}}" for label in heights.values()])
    columns = x.marks if below else {}
    figure.xticks(list(columns), list(columns.values()))
    return figure


def _scatter(figure: Any, signs: Mapping[tuple[int, int], tuple[str, int]], rows: int) -> None:
    """Hand plotext its cells, ink by ink."""
    by_ink: dict[int, list[tuple[int, int, str]]] = {}
    for (column, row), (sign, ink) in signs.items():
        by_ink.setdefault(int(ink), []).append((column, rows - 1 - row, sign))
    for ink, cells in by_ink.items():
        columns, heights, markers = map(list, zip(*cells, strict=True))
        figure.scatter(columns, heights, marker=markers, color=ink)
