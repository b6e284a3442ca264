"""What the columns of a data set hold, for recognizing its format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tui_finetune.data.file_kinds import place_in
from tui_finetune.data.formats.turns import TURN_KEYS, TURN_LISTS, turns_in
from tui_finetune.data.source import Source

if TYPE_CHECKING:
    from datasets import Dataset

HEAD_ROWS = 20
SCALARS = frozenset({"text", "a number", "true or false"})


@dataclass(frozen=True)
class Columns:
    """The columns, each with the kinds of values in it and where they first are.

    Attributes:
        kinds: 'text', 'a number', 'true or false', 'a list', 'an object' by column.
        places: for local files, the first place of each kind in words, by column and kind.
        table: the rows, for a look at the first of them.
    """

    kinds: dict[str, set[str]]
    places: dict[str, dict[str, str]]
    table: Dataset

    def is_text(self, name: str) -> bool:
        return self.kinds[name] == {"text"}

    def is_scalar(self, name: str) -> bool:
        """Whether it holds text, or what can be written as a word; or nothing at all."""
        return self.kinds[name] <= SCALARS | {"nothing"}

    def is_label(self, name: str) -> bool:
        """Whether it holds true and false, also where they are written as words or as 1 and 0."""
        if not self.kinds[name] <= SCALARS | {"nothing"}:
            return False
        words = {str(value).strip().lower() for value in self.head(name) if value is not None}
        return bool(words) and words <= {"true", "false", "0", "1", "0.0", "1.0"}

    def type_of(self, name: str) -> str:
        """The name of the type that a data set of the hub gives a column: 'Value', 'Image' ..."""
        return type(self.table.features[name]).__name__

    def listed(self) -> str:
        return ", ".join(list(self.kinds)[:12]) + (" ..." if len(self.kinds) > 12 else "")

    def find(self, *names: str) -> str | None:
        """The first of these names that there is, whatever the case of its letters."""
        known = {name.lower(): name for name in reversed(list(self.kinds))}
        return next((known[name] for name in names if name in known), None)

    def head(self, name: str) -> list[object]:
        """The first values of a column."""
        return list(self.table.select_columns([name])[:HEAD_ROWS][name])

    def turn_keys(self, name: str) -> tuple[str, str] | None:
        """The keys of the turns that a column holds, ('role', 'content') or ('from', 'value'); None if it holds none."""
        if not self.kinds[name] - SCALARS and not self._may_be_json(name):
            return None
        for value in self.head(name):
            turns = turns_in(value)
            if not turns:
                continue
            first = turns[0]
            if not isinstance(first, dict):
                return None
            return next((keys for keys in TURN_KEYS if keys[0] in first), None)
        return None

    def _may_be_json(self, name: str) -> bool:
        """In tables of text, as .csv, a list can only be written as JSON."""
        return self.is_text(name) and name.lower() in TURN_LISTS


def columns_of(rows: Dataset | Source) -> Columns:
    """The columns of an open data set, or only of its rows."""
    if isinstance(rows, Source):
        if rows.columns is not None:
            return _columns_of_files(rows)
        rows = rows.rows
    kinds = {}
    for name, feature in rows.features.items():
        dtype = str(getattr(feature, "dtype", ""))
        # A class label is a number that has names.
        is_text = dtype in {"string", "large_string", "string_view"} and not hasattr(feature, "names")
        kinds[name] = {"text"} if is_text else {_word(feature, dtype)}
    return Columns(kinds, {}, rows)


def _columns_of_files(source: Source) -> Columns:
    found, files = source.columns or {}, source.files
    places = {
        name: {kind: f"{files[file]}, {place_in(files[file], row)}" for kind, (file, row) in column.kinds.items()}
        for name, column in found.items()
    }
    return Columns({name: set(column.kinds) for name, column in found.items()}, places, source.rows)


def _word(feature: object, dtype: str) -> str:
    if isinstance(feature, (list, dict)) or "List" in type(feature).__name__ or dtype in {"list", "dict"}:
        return "an object" if isinstance(feature, dict) else "a list"
    return "true or false" if dtype == "bool" else "nothing" if dtype == "null" else "a number"
