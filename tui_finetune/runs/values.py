"""Values out of JSON that anybody may have written: what is not of the kind that is wanted counts as absent."""

from __future__ import annotations

from collections.abc import Mapping

Fields = Mapping[str, object]
"""An object in JSON."""

LARGEST_WHOLE = 10**15
LARGEST_NUMBER = 1e100
"""Beyond these a number is none that a run could have reached, and arithmetic with it may fail."""


def text(fields: Fields, key: str) -> str:
    """A text, '' where there is none."""
    value = fields.get(key)
    return value if isinstance(value, str) else "" if value is None else str(value)


def name(fields: Fields, key: str) -> str | None:
    """A text that is not empty."""
    value = fields.get(key)
    return value if isinstance(value, str) and value else None


def as_whole(value: object) -> int | None:
    """A whole number, not negative and within reason."""
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value <= LARGEST_WHOLE else None


def as_number(value: object) -> float | None:
    """A finite number within reason, as it was written."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    # A comparison, because an int may be too large to be made a float; nan compares with nothing.
    return value if -LARGEST_NUMBER <= value <= LARGEST_NUMBER else None


def whole(fields: Fields, key: str) -> int | None:
    return as_whole(fields.get(key))


def number(fields: Fields, key: str) -> float | None:
    return as_number(fields.get(key))


def flag(fields: Fields, key: str) -> bool:
    return bool(fields.get(key))
