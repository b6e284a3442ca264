"""The end of a log that may be of any length and hold anything."""

from __future__ import annotations

import os
import re
from pathlib import Path

from tui_finetune.system.terminal import printable

MAX_BYTES = 64 * 1024

_STYLING = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def tail_lines(path: Path, limit: int = 200) -> list[str]:
    """The last lines, fit to be shown; none where the file can't be read.

    Colors and cursor movements are taken out, and of a line that was written over, as progress bars do, only the last
    form is kept.
    """
    try:
        with path.open("rb") as file:
            length = file.seek(0, os.SEEK_END)
            file.seek(max(length - MAX_BYTES, 0))
            data = file.read(MAX_BYTES)
    except OSError:
        return []
    lines = data.decode("utf-8", "replace").replace("\r\n", "\n").split("\n")
    if length > MAX_BYTES:
        lines = lines[1:]
    shown = (_STYLING.sub("", line.rstrip("\r").rpartition("\r")[2]).rstrip() for line in lines)
    return [printable(line, lines=False) for line in shown if line][-limit:]
