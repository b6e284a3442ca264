"""Lines on standard output and error, safe for any terminal and any encoding."""

from __future__ import annotations

import os
import sys
from typing import TextIO

from tui_finetune.errors import UserError
from tui_finetune.system.terminal import printable

LONGEST_LINE = 1000
"""Characters of an error."""


def write_line(text: str = "", stream: TextIO | None = None) -> None:
    """Print one line; characters that a terminal might obey, or that its encoding lacks, are replaced."""
    write_text(printable(text) + "\n", stream or sys.stdout)


def write_text(text: str, stream: TextIO) -> None:
    """Write printable text. Where nobody reads any more, what was asked for is done all the same."""
    encoding = stream.encoding or "utf-8"
    try:
        stream.write(text.encode(encoding, "replace").decode(encoding))
        stream.flush()
    except OSError:
        # What is still in the buffer goes nowhere, or Python would fail with it at the end.
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)


def write_error(error: UserError) -> None:
    """One line with the cause, one with the remedy, on standard error."""
    write_line(f"error: {printable(_shortened(error.message), lines=False)}", sys.stderr)
    if error.remedy:
        write_line(f"hint: {printable(_shortened(error.remedy), lines=False)}", sys.stderr)


def _shortened(text: str) -> str:
    """A line that may have a name or a number of thousands of characters in it."""
    return text if len(text) <= LONGEST_LINE else f"{text[: LONGEST_LINE - 300]} … {text[-297:]}"
