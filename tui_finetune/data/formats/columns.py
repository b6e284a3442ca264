"""What the columns of a data set hold, for recognizing its form."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tui_finetune.data.kinds import place_in

if TYPE_CHECKING:
    from datasets import Dataset

    from tui_finetune.data.source import Source

HEAD_ROWS = 20
TURN_LISTS = ("messages", "conversations", "conversation")
"""Columns that usually hold the turns of a conversation, the most usual first."""

TURN_KEYS = (("role", "content"), ("from", "value"))
"""Who speaks, and what is said."""

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

    def listed(self) -> str:
        return ", ".join(list(self.kinds)[:12]) + (" ..." if len(self.kinds) > 12 else "")

    def find(self, *names: str) -> str | None:
        """The first of these names that there is, whatever the case of its letters."""
        known = {name.lower(): name for name in reversed(list(self.kinds))}
        return next((known[name] for name in names if name in known), None)

    def head(self, name: str) -> list[Any]:
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


def _from_json(value: Any) -> Any:
    """What a text in JSON says, None for other texts; anything else as it is."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return None


def listed(value: Any) -> list[Any] | None:
    """A list that is one, that is written as JSON, or that is a table of columns; None for anything else."""
    value = _from_json(value)
    if isinstance(value, dict) and _is_table(value):
        # Older data sets keep a list of objects as an object of lists.
        return [dict(zip(value, items, strict=False)) for items in zip(*value.values(), strict=False)]
    return value if isinstance(value, list) else None


def turns_in(value: Any) -> list[Any] | None:
    """As `listed`, and a single turn, which may be written as JSON, as a list of it."""
    value = _from_json(value)
    return [value] if is_turn(value) and not _is_table(value) else listed(value)


def is_turn(value: Any) -> bool:
    """Whether it is an object that says who speaks, and what is said or which tools are called."""
    return isinstance(value, dict) and any(
        who in value and (what in value or "tool_calls" in value) for who, what in TURN_KEYS
    )


def _is_table(value: dict[str, Any]) -> bool:
    return bool(value) and all(isinstance(items, list) for items in value.values())


def columns_of(rows: Dataset | Source) -> Columns:
    """The columns of an open data set, or only of its rows."""
    source = rows if not hasattr(rows, "features") else None
    table: Any = rows if source is None else source.rows
    if source is not None and source.columns is not None:
        found = source.columns
        files = source.files
        places = {
            name: {kind: f"{files[file]}, {place_in(files[file], row)}" for kind, (file, row) in column.kinds.items()}
            for name, column in found.items()
        }
        return Columns({name: set(column.kinds) for name, column in found.items()}, places, table)
    kinds = {}
    for name, feature in table.features.items():
        dtype = str(getattr(feature, "dtype", ""))
        # A class label is a number that has names.
        is_text = dtype in {"string", "large_string", "string_view"} and not hasattr(feature, "names")
        kinds[name] = {"text"} if is_text else {_word(feature, dtype)}
    return Columns(kinds, {}, table)


def _word(feature: Any, dtype: str) -> str:
    if isinstance(feature, (list, dict)) or "List" in type(feature).__name__ or dtype in {"list", "dict"}:
        return "an object" if isinstance(feature, dict) else "a list"
    return "true or false" if dtype == "bool" else "nothing" if dtype == "null" else "a number"
