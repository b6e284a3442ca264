"""Rows of any columns, written to memory-mapped Arrow files while they are read.

Every column is stored as text. Values that are no text (numbers, lists, objects) are stored as JSON, and the column's
kinds say which there were: so no file fails for a type that changes half-way, and the line where it does is known.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from tui_finetune.data.problems import Tally
from tui_finetune.data.readers.files import Unpacked
from tui_finetune.data.readers.row import Row
from tui_finetune.errors import UserError

BATCH_ROWS = 1000
BATCH_CHARACTERS = 4 * 1024 * 1024
MAX_COLUMNS = 1000

_KINDS = {str: "text", bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object"}


@dataclass
class Column:
    """What a column holds.

    ``kinds`` maps each kind of value ('text', 'a number', 'true or false', 'a list', 'an object') to the index of the
    file and the line or row where it first occurs. Null is no kind.
    """

    name: str
    kinds: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def is_text(self) -> bool:
        return set(self.kinds) == {"text"}


class TableWriter:
    """Takes rows one by one and writes them in batches, in files `part-N.arrow`; a new column begins a new part."""

    def __init__(self, directory: Path, files: list[str], tally: Tally, unpacked: Sequence[Unpacked] = ()) -> None:
        """
        Args:
            directory: where the files go.
            files: names of the files that rows come from.
            tally: takes what is odd.
            unpacked: for each file, what counts what comes out of it.
        """
        self._unpacked = unpacked
        self.columns: dict[str, Column] = {}
        self.rows = 0
        self.parts: list[str] = []
        self._directory = directory
        self._files = files
        self._tally = tally
        self._waiting: list[Row] = []
        self._places: list[tuple[int, int]] = []
        self._characters = 0
        self._part: pa.ipc.RecordBatchStreamWriter | None = None
        self._schema = pa.schema([])
        self._place_schema = pa.schema([("file", pa.int32()), ("row", pa.int64())])
        self._place_file = pa.ipc.new_stream(str(directory / "places.arrow"), self._place_schema)

    def add(self, file: int, number: int, row: Row) -> None:
        """Take a row, from the line or row of that number in the file of that index."""
        self._waiting.append(row)
        self._places.append((file, number))
        for value in row.values():
            self._characters += len(value) if type(value) is str else 64
        if len(self._waiting) >= BATCH_ROWS or self._characters >= BATCH_CHARACTERS:
            self.flush()

    def flush(self) -> None:
        """Write what is waiting."""
        rows, places = self._waiting, self._places
        if not rows:
            return
        new = [name for name in dict.fromkeys(key for row in rows for key in row) if name not in self.columns]
        if new or self._part is None:
            self._begin_part(new)
        arrays = [self._array(key, column, rows) for key, column in self.columns.items()]
        if not arrays:  # rows without any column, as `{}`
            raise UserError(
                f"{self._files[places[0][0]]}, line {places[0][1]}: a row without columns", 'write {"text": "..."}'
            )
        if self._unpacked:
            self._unpacked[places[-1][0]].add(sum(array.nbytes for array in arrays))
        assert self._part is not None
        self._part.write_batch(pa.record_batch(arrays, schema=self._schema))
        files, numbers = zip(*places, strict=True)
        self._place_file.write_batch(
            pa.record_batch([pa.array(files, pa.int32()), pa.array(numbers, pa.int64())], schema=self._place_schema)
        )
        self.rows += len(rows)
        self._waiting, self._places, self._characters = [], [], 0

    def close(self) -> None:
        """Write the rest and end the files."""
        self.flush()
        if self._part is not None:
            self._part.close()
        self._place_file.close()

    def _begin_part(self, new: list[str]) -> None:
        if self._part is not None:
            self._part.close()
        file, number = self._places[0]
        for name in new:
            column = Column(_storable(name))
            what = "has a NUL character" if "\0" in name else "is there twice, once its broken characters are replaced"
            if "\0" in name or column.name in {known.name for known in self.columns.values()}:
                raise UserError(
                    f"{self._files[file]}, near line {number}: the name of the column '{column.name}' {what}",
                    "rename the column",
                    setting="dataset_name",
                )
            self.columns[name] = column
        if len(self.columns) > MAX_COLUMNS:
            raise UserError(
                f"{self._files[file]}, near line {number}: more than {MAX_COLUMNS} columns",
                "use the same few keys in every row",
                setting="dataset_name",
            )
        name = f"part-{len(self.parts):04}.arrow"
        self._schema = pa.schema([(column.name, pa.string()) for column in self.columns.values()])
        self._part = pa.ipc.new_stream(str(self._directory / name), self._schema)
        self.parts.append(name)

    def _array(self, key: str, column: Column, rows: list[Row]) -> pa.Array:
        values = [row.get(key) for row in rows]
        types = set(map(type, values)) - {type(None)}
        for kind in types:
            word = _KINDS.get(kind, "a value")
            if word not in column.kinds:
                column.kinds[word] = self._places[next(i for i, value in enumerate(values) if type(value) is kind)]
        texts = [value if value is None or isinstance(value, str) else _as_json(value) for value in values]
        try:
            array = pa.array(texts, pa.string())
        except UnicodeEncodeError:
            array = pa.array(self._without_surrogates(texts), pa.string())
        if pc.any(pc.match_substring(array, "\x00")).as_py():
            for value, (file, number) in zip(texts, self._places, strict=True):
                if value and "\x00" in value:
                    self._note(file, number, "NUL characters", "they are kept; look whether the file is damaged")
        return array

    def _without_surrogates(self, values: Iterable[str | None]) -> list[str | None]:
        result: list[str | None] = []
        for value, (file, number) in zip(values, self._places, strict=True):
            if value is None or _encodes(value):
                result.append(value)
            else:
                result.append(_storable(value))
                self._note(file, number, "half a surrogate pair", "it is replaced by U+FFFD")
        return result

    def _note(self, file: int, number: int, what: str, remedy: str) -> None:
        self._tally.add(self._files[file], number, what, remedy)


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _storable(text: str) -> str:
    """The text with surrogate pairs joined, and halves of them replaced."""
    return text if _encodes(text) else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _as_json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
