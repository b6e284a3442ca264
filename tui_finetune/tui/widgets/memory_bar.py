"""The memory of a run as a bar: how much each of its parts takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from textual.content import Content

from tui_finetune.formatting import size

if TYPE_CHECKING:
    from tui_finetune.planning.estimate import Estimate

PARTS: tuple[tuple[str, str, str, str], ...] = (
    ("weights", "weights", "█", "$accent"),
    ("gradients", "gradients", "▓", "$accent 80%"),
    ("optimizer", "optimizer", "▒", "$accent 80%"),
    ("activations", "activations", "█", "$secondary"),
    ("logits", "logits", "▓", "$secondary 80%"),
    ("overhead", "libraries", "░", "$foreground 50%"),
)
"""The parts of an estimate in the order of the bar, with their names, glyphs and styles. Neighbors differ without colors."""

BEYOND = "╳"
QUIET = "$foreground 60%"


def cells(memory: Mapping[str, int], width: int) -> list[int]:
    """How many cells of a bar each of PARTS gets; together `width`.

    Args:
        memory: bytes by part.
        width: cells of the whole bar.
    """
    counts = [memory.get(part, 0) for part, *_ in PARTS]
    whole, filled, result, before = sum(counts) or 1, 0, [], 0
    for count in counts:
        filled += count
        end = round(width * filled / whole)
        result.append(end - before)
        before = end
    return result


def memory_bar(estimate: Estimate, width: int) -> Content:
    """A line of `width` cells: the whole is what the run needs; what is beyond the usable memory is crossed out."""
    fitting = width if estimate.fits else int(width * estimate.usable / max(estimate.needed, 1))
    spans: list[tuple[str, str]] = []
    place = 0
    for (_, _, glyph, style), count in zip(PARTS, cells(estimate.memory, width), strict=True):
        inside = max(0, min(count, fitting - place))
        spans += [(glyph * inside, style), (BEYOND * (count - inside), "$error")]
        place += count
    return Content.assemble(*spans)


def memory_legend(estimate: Estimate, width: int) -> Content:
    """What the glyphs of the bar stand for, with the size of each part that takes any, in as many columns as there is room
    for."""
    entries = [
        (glyph, style, name, size(estimate.memory[part]))
        for part, name, glyph, style in PARTS
        if estimate.memory.get(part, 0) * 200 >= estimate.needed
    ]
    column = max((len(name) + len(count) for _, _, name, count in entries), default=0) + 3
    columns = max(1, (width + 2) // (column + 2))
    rows = []
    for first in range(0, len(entries), columns):
        parts: list[tuple[str, str]] = []
        for place, (glyph, style, name, count) in enumerate(entries[first : first + columns]):
            gap = "  " if place else ""
            parts += [(gap, ""), (glyph, style), (f" {name}", QUIET), (count.rjust(column - 2 - len(name)), "")]
        rows.append(Content.assemble(*parts))
    return Content("\n").join(rows)
