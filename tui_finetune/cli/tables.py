"""Tables in plain text."""

from __future__ import annotations

from collections.abc import Sequence

from tui_finetune.system.terminal import cell_width, printable


def table(header: Sequence[str], rows: Sequence[Sequence[str]], right: frozenset[int] = frozenset()) -> list[str]:
    """Lines of a table with aligned columns.

    Args:
        header: the columns' names.
        rows: their cells.
        right: the columns that are aligned to the right.
    """
    cells = [[printable(cell, lines=False) for cell in row] for row in (header, *rows)]
    widths = [max(cell_width(row[column]) for row in cells) for column in range(len(header))]

    def line(row: list[str]) -> str:
        parts = []
        for column, cell in enumerate(row):
            space = " " * (widths[column] - cell_width(cell))
            parts.append(space + cell if column in right else cell + space)
        return "  ".join(parts).rstrip()

    return [line(row) for row in cells]
