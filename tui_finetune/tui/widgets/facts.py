"""Facts, each with its label, in two aligned columns."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text
from textual.widgets import Static

Fact = tuple[str, "str | Text"]
"""A label and what is to be said; a value of '' is left out."""


class Facts(Static):
    """Labels at the left, quiet; values beside them, wrapped within their column."""

    def __init__(self, facts: Sequence[Fact] = (), *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(markup=False, id=id, classes=classes)
        if facts:
            self.show(facts)

    def show(self, facts: Sequence[Fact], *, label_width: int = 14) -> None:
        """Show these facts.

        Args:
            facts: labels and values, in order.
            label_width: columns for the labels, so that several blocks of facts line up.
        """
        table = Table.grid(padding=(0, 1), expand=True)
        table.add_column(width=label_width, no_wrap=True)
        table.add_column(ratio=1, overflow="fold")
        for label, value in facts:
            if value:
                table.add_row(Text(label, style="dim"), value if isinstance(value, Text) else Text(value))
        self.update(table)
