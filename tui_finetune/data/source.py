"""An open data set: its rows, and where each of them comes from."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tui_finetune.data.cache import fingerprint
from tui_finetune.data.problems import Problem
from tui_finetune.data.readers.row import Row

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import Dataset

    from tui_finetune.data.readers.tables import Column

BATCH_ROWS = 500
FEW_ROWS = 20
"""Of a batch of the hub's rows, so many at a time become objects: rows may be long."""


@dataclass
class Source:
    """An open data set.

    Attributes:
        rows: the rows, memory-mapped.
        name: the data set's name, as it was asked for.
        files: the files it is read from; for the hub, none.
        problems: what is odd about it.
        fingerprint: a name for exactly this content.
        columns: for local files, what each column holds; all are stored as text (see `readers.tables`). None for the hub.
        layout: how plain text was divided into documents, in words; else ''.
        note: what else should be known about where it is from, in words; else ''.
        parts: for local files, the Arrow files that `rows` are in; it may be that only the first of their rows are used.
    """

    rows: Dataset
    name: str
    files: list[str]
    problems: list[Problem]
    fingerprint: str
    columns: dict[str, Column] | None = None
    layout: str = ""
    note: str = ""
    parts: list[Path] = field(default_factory=list)

    def place(self, row: int) -> tuple[str, int]:
        """The file, and the line or row in it (from 1), that a row comes from. For the hub: its name and the row."""
        if not self.parts:
            return self.name, row + 1
        files, numbers = self._places
        return self.files[files[row].as_py()], int(numbers[row].as_py())

    @functools.cached_property
    def _places(self) -> tuple[pa.ChunkedArray, pa.ChunkedArray]:
        import pyarrow as pa

        with pa.memory_map(str(self.parts[0].parent / "places.arrow")) as file:
            table = pa.ipc.open_stream(file).read_all()
        return table["file"], table["row"]

    def first(self, count: int) -> Source:
        """The same, with no more rows than these."""
        if count >= len(self.rows):
            return self
        key = fingerprint("first", count, self.fingerprint)
        return replace(self, rows=self.rows.select(range(count)), fingerprint=key)

    def batches(self, columns: list[str]) -> Iterator[list[Row]]:
        """All rows in order, a batch at a time, with only these columns.

        Files in the cache are read, not mapped: what has been read doesn't stay in the process's memory.
        """
        import pyarrow as pa

        if not self.parts:
            narrow = self.rows.select_columns(columns)
            for start in range(0, len(narrow), BATCH_ROWS):
                table = narrow.with_format("arrow")[start : start + BATCH_ROWS]
                for few in range(0, len(table), FEW_ROWS):
                    yield table.slice(few, FEW_ROWS).to_pylist()
            return
        left = len(self.rows)
        for part in self.parts:
            if left == 0:
                return
            with pa.OSFile(str(part)) as file, pa.ipc.open_stream(file) as reader:
                names = [name for name in columns if name in reader.schema.names]
                for batch in reader:
                    rows = batch.slice(0, left).select(names).to_pylist()
                    left -= len(rows)
                    yield [{name: row.get(name) for name in columns} for row in rows] if names != columns else rows
                    if left == 0:
                        break
