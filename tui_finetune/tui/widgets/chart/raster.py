"""Curves as dots in cells: which dots of which cell belong to which curve, before anything is drawn."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tui_finetune.tui.widgets.chart.axis import Axis

FEW_DOTS = 2
"""Dots that a line may have more than another that covers it and still be drawn with it."""

Points = tuple[list[float], list[float]]
"""Steps and values of a curve; a value that is not a number is a gap."""

Cell = tuple[int, int]
"""Column and row, from the left and from the top."""


@dataclass(frozen=True)
class Glyphs:
    """The characters that dots are drawn with.

    Attributes:
        across, down: dots of a cell.
        bits: of each dot, by column and by row from the top.
        signs: the character of each sum of bits.
        point, best, cursor: marks that take a whole cell.
    """

    across: int
    down: int
    bits: tuple[tuple[int, ...], ...]
    signs: str
    point: str = "●"
    best: str = "★"
    cursor: str = "○"


BRAILLE = Glyphs(
    2, 4, ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80)), "".join(chr(0x2800 + bits) for bits in range(256))
)
BLOCKS = Glyphs(1, 2, ((1, 2),), " ▀▄█", point="•", best="♦")
"""For terminals whose font has no braille, as the console of Linux."""


def glyphs_for(environ: Mapping[str, str]) -> Glyphs:
    """What the terminal can show, told from its name."""
    return BLOCKS if environ.get("TERM") in {"linux", "vt100", "vt220"} else BRAILLE


@dataclass
class Raster:
    """The dots of several curves on the same axes.

    Attributes:
        x, y: the axes.
        glyphs: how fine it is.
        curves: by curve, the bits that are set in each cell.
    """

    x: Axis
    y: Axis
    glyphs: Glyphs = BRAILLE
    curves: dict[int, dict[Cell, int]] = field(default_factory=dict)

    def line(self, curve: int, points: Points) -> None:
        """Draw a line through points; those beyond the axes and those that are no numbers interrupt it."""
        cells = self.curves.setdefault(curve, {})
        before: tuple[int, int] | None = None
        for step, value in zip(*points, strict=True):
            at = self._dot(step, value)
            if at is not None:
                self._stroke(cells, before or at, at)
            before = at

    def dotted(self, curve: int, value: float) -> None:
        """A dotted line across at a value."""
        height = self.y.dot(value, self.glyphs.down)
        if height is not None:
            cells = self.curves.setdefault(curve, {})
            for column in range(0, self.x.cells, 2):
                self._run(cells, column * self.glyphs.across, height, height)

    def _dot(self, step: float, value: float) -> tuple[int, int] | None:
        across = self.x.dot(step, self.glyphs.across)
        up = self.y.dot(value, self.glyphs.down)
        return None if across is None or up is None else (across, up)

    def _stroke(self, cells: dict[Cell, int], begin: tuple[int, int], end: tuple[int, int]) -> None:
        """All dots from one to the other: in each column of dots as high as the line climbs there."""
        (left, low), (right, high) = begin, end
        at = low
        for column in range(left, right):
            to = low + math.floor((high - low) * (column + 0.5 - left) / (right - left) + 0.5)
            self._run(cells, column, at, to)
            at = to
        self._run(cells, right, at, high)

    def _run(self, cells: dict[Cell, int], across: int, one: int, other: int) -> None:
        """The dots of one column from a height to another, both from the bottom."""
        if one > other:
            one, other = other, one
        down = self.glyphs.down
        top = self.y.cells * down - 1
        column, bits = across // self.glyphs.across, self.glyphs.bits[across % self.glyphs.across]
        first, last = top - other, top - one
        for row in range(first // down, last // down + 1):
            begin, end = max(first - row * down, 0), min(last - row * down, down - 1)
            mask = sum(bits[begin : end + 1])
            cells[column, row] = cells.get((column, row), 0) | mask

    def _near(self, bits: int) -> int:
        """These dots and those above and below them in the same cell."""
        near = bits
        for column in self.glyphs.bits:
            for upper, lower in itertools.pairwise(column):
                near |= (lower if bits & upper else 0) | (upper if bits & lower else 0)
        return near

    def cell(self, step: float, value: float) -> Cell | None:
        """The cell that a point belongs to; None where it is beyond the axes."""
        column, up = self.x.dot(step), self.y.dot(value)
        return None if column is None or up is None else (column, self.y.cells - 1 - up)

    def inked(self, order: Iterable[int], faint: Iterable[int] = ()) -> dict[Cell, Inked]:
        """What each cell shows: where lines meet, the dots of all of them, in the color of one and the other by turns.

        Args:
            order: the curves.
            faint: curves that others lie on: there they are the ground.
        """
        shown: dict[Cell, Inked] = {}
        grounds = set(faint)
        present: dict[Cell, list[int]] = {}
        for curve in order:
            for cell in self.curves.get(curve, ()):
                present.setdefault(cell, []).append(curve)
        for cell, curves in present.items():
            lines = [curve for curve in curves if curve not in grounds] or curves[:1]
            bits = 0
            for curve in lines:
                bits |= self.curves[curve][cell]
            # What lies under them is the ground; of a line that is nearly the same its few dots are shown as well.
            ground, near = None, self._near(bits)
            for curve in curves:
                if curve not in lines:
                    beside = self.curves[curve][cell]
                    if (beside & ~near).bit_count() > FEW_DOTS:
                        ground = curve
                    else:
                        bits |= beside
            shown[cell] = Inked(self.glyphs.signs[bits], lines[cell[0] % len(lines)], ground)
        return shown


@dataclass(frozen=True)
class Inked:
    """A cell's character, the curve in whose color it is, and the one that is its ground, if any."""

    sign: str
    curve: int
    ground: int | None = None
