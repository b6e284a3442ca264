"""What may be sent to a terminal, and what it is."""

from __future__ import annotations

import os
import re
import sys
import unicodedata
from collections.abc import Mapping

# C0 but for tab and newline, DEL, C1; the bidirectional overrides and isolates that reorder what is read; the line and
# paragraph separators; lone surrogates, which no encoding takes.
_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2028\u2029\u2066-\u2069\ufeff\ud800-\udfff]"
)
_NAMES = {0x1B: "␛", 0x7F: "␡"}


def _visible(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code in _NAMES:
        return _NAMES[code]
    if code < 0x20:
        return chr(0x2400 + code)
    return "�"


def printable(text: str, *, lines: bool = True) -> str:
    """The text with every character that a terminal might obey replaced by one that only shows.

    Args:
        text: anything: data, a model's output, a file's name.
        lines: keep newlines and tabs; otherwise they become '␊' and '␉'.
    """
    text = _UNPRINTABLE.sub(_visible, text)
    return text if lines else text.replace("\n", "␊").replace("\t", "␉")


def printable_json(text: str) -> str:
    """JSON in which every character that a terminal might obey is written as an escape, so that it still says the same."""

    def escape(match: re.Match[str]) -> str:
        return f"\\u{ord(match.group()):04x}"

    return _UNPRINTABLE.sub(escape, text)


def cell_width(text: str) -> int:
    """Columns that a text takes on a terminal, near enough for padding plain lines."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def over_ssh(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether the terminal is at the far end of a network connection."""
    return any(environ.get(name) for name in ("SSH_CONNECTION", "SSH_TTY", "SSH_CLIENT"))


def is_terminal() -> bool:
    """Whether a person can see and answer: standard input and output are both a terminal that can move its cursor."""
    try:
        return os.isatty(sys.__stdin__.fileno()) and os.isatty(sys.__stdout__.fileno())  # type: ignore[union-attr]
    except (AttributeError, OSError, ValueError):
        return False
