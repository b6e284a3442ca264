"""Plain rows out of tables."""

from __future__ import annotations

from typing import Any


def without_nulls(value: Any) -> Any:
    """An object without the keys that are null, all the way down: tables give every object the keys of all."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value
