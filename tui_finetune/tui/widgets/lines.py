"""A small picture of a few curves in braille or block characters: for comparing runs, and for the terminal. No textual."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text

_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""The bits of a braille character by row and column."""

LOG_RATIO = 20.0
"""From such a ratio of highest to lowest on, the axis is logarithmic: else the low part would be a flat line."""

LETTERS = "ABCDEFGHIJ"


@dataclass(frozen=True)
class Line:
    """One curve.

    Attributes:
        label: one character, which stands at its end.
        xs, ys: its points, by x; those that are not finite are left out.
        style: a color, as rich names it.
        points: whether its points are marked with a dot rather than joined.
    """

    label: str
    xs: Sequence[float]
    ys: Sequence[float]
    style: str = ""
    points: bool = False


@dataclass(frozen=True)
class _Scale:
    low: float
    high: float
    log: bool = False

    def share(self, value: float) -> float:
        """Where a value is, from 0 at the lowest to 1."""
        if self.log:
            return math.log(max(value, self.low) / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def at(self, share: float) -> float:
        """The value at a share."""
        return self.low * (self.high / self.low) ** share if self.log else self.low + share * (self.high - self.low)


def _scale(values: Sequence[float], *, may_be_log: bool) -> _Scale:
    low, high = min(values), max(values)
    if high <= low:
        high = low + (abs(low) * 0.1 or 1.0)
    return _Scale(low, high, may_be_log and low > 0 and high / low > LOG_RATIO)


def draw_lines(lines: Sequence[Line], width: int, height: int, x_name: str = "step") -> Text:
    """The curves in one picture, with the values of the axes at its edges; empty where there is no room or no point.

    Args:
        lines: the curves.
        width, height: characters.
        x_name: what the horizontal axis is.
    """
    kept = [
        [(x, y) for x, y in zip(line.xs, line.ys, strict=True) if math.isfinite(x) and math.isfinite(y)]
        for line in lines
    ]
    values = [y for points in kept for _, y in points]
    margin = 8
    columns, rows = width - margin, height - 1
    if not values or columns < 8 or rows < 2:
        return Text()
    across = _scale([x for points in kept for x, _ in points], may_be_log=False)
    up = _scale(values, may_be_log=True)
    cells: dict[tuple[int, int], tuple[int, str]] = {}
    for line, points in zip(lines, kept, strict=True):
        _trace(cells, line, [_dot(across.share(x), up.share(y), columns, rows) for x, y in points])
    marks = {}
    for line, points in zip(lines, kept, strict=True):
        if points and line.label:
            x, y = _dot(across.share(points[-1][0]), up.share(points[-1][1]), columns, rows)
            marks[x // 2, y // 4] = (line.label, line.style)
    return _assemble(cells, marks, up, across, columns, rows, x_name)


def _dot(across: float, up: float, columns: int, rows: int) -> tuple[int, int]:
    return round(across * (2 * columns - 1)), round((1 - up) * (4 * rows - 1))


def _trace(cells: dict[tuple[int, int], tuple[int, str]], line: Line, dots: Sequence[tuple[int, int]]) -> None:
    """Set the dots of a curve, and those between them unless only its points are wanted."""
    before = None
    for x, y in dots:
        x0, y0 = (x, y) if before is None or line.points else before
        count = max(abs(x - x0), abs(y - y0), 1)
        for place in range(count + 1):
            px, py = round(x0 + (x - x0) * place / count), round(y0 + (y - y0) * place / count)
            cell = px // 2, py // 4
            bits, _ = cells.get(cell, (0, ""))
            cells[cell] = bits | _DOTS[py % 4][px % 2], line.style
        before = x, y


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _assemble(
    cells: dict[tuple[int, int], tuple[int, str]],
    marks: dict[tuple[int, int], tuple[str, str]],
    up: _Scale,
    across: _Scale,
    columns: int,
    rows: int,
    x_name: str,
) -> Text:
    picture = Text(no_wrap=True, overflow="crop")
    labeled = {0, rows - 1, *((rows // 2,) if rows >= 5 else ())}
    for row in range(rows):
        share = 1 - (row * 4 + 2) / (4 * rows)
        share = 1.0 if row == 0 else 0.0 if row == rows - 1 else share
        label = _number(up.at(share)) if row in labeled else ""
        picture.append(f"{label:>7}┤" if label else f"{'':>7}│", style="dim")
        for column in range(columns):
            if (column, row) in marks:
                letter, style = marks[column, row]
                picture.append(letter, style=f"bold {style}".strip())
            elif (column, row) in cells:
                bits, style = cells[column, row]
                picture.append(chr(0x2800 + bits), style=style)
            else:
                picture.append(" ")
        picture.append("\n")
    first, last = _number(across.low), f"{_number(across.high)} {x_name}"
    how = " (log)" if up.log else ""
    picture.append(f"{how:>7} {first}", style="dim")
    picture.append(" " * max(columns - len(first) - len(last), 1) + last, style="dim")
    return picture
