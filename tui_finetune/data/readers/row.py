"""What every reader gives: plain rows, a value for each column."""

from __future__ import annotations

from collections.abc import Mapping

Row = Mapping[str, object]
"""A row: by column, what JSON can say (text, a number, true or false, null, a list, an object)."""


def plain_row(row: Row) -> Row:
    """A row whose objects have only the keys that they were given; in a table all have the keys of all."""
    return {name: without_nulls(value) if isinstance(value, (dict, list)) else value for name, value in row.items()}


def without_nulls(value: object) -> object:
    """An object without the keys that are null, all the way down."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value
