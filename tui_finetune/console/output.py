"""Lines on standard output and error, safe for any terminal and any encoding."""

from __future__ import annotations

import sys
from typing import TextIO

from tui_finetune.errors import UserError
from tui_finetune.system.terminal import printable


def write_line(text: str = "", stream: TextIO | None = None) -> None:
    """Print one line; characters that a terminal might obey, or that its encoding lacks, are replaced."""
    stream = stream or sys.stdout
    encoding = stream.encoding or "utf-8"
    safe = printable(text).encode(encoding, "replace").decode(encoding)
    try:
        stream.write(safe + "\n")
        stream.flush()
    except (BrokenPipeError, OSError):
        # Nobody reads any more; what was asked for is done all the same.
        return


def write_error(error: UserError) -> None:
    """One line with the cause, one with the remedy, on standard error."""
    write_line(f"error: {printable(error.message, lines=False)}", sys.stderr)
    if error.remedy:
        write_line(f"hint: {printable(error.remedy, lines=False)}", sys.stderr)
