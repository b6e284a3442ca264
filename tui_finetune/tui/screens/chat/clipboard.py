"""Copying: by the terminal's own clipboard, also inside tmux and screen, and into a file for terminals that have none."""

from __future__ import annotations

import base64
import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tui_finetune.system.files import PRIVATE_DIRECTORY, write_atomically
from tui_finetune.system.paths import short_path, state_dir

if TYPE_CHECKING:
    from textual.app import App

MOST_BYTES = 74_000
"""Terminals take no more at a time."""


def sequence(text: str, environ: Mapping[str, str] = os.environ) -> str:
    """The control sequence by which a terminal is asked to copy; '' where the text is too long for one.

    tmux and screen pass it on to the terminal that they run in only inside a sequence of their own.
    """
    data = text.encode("utf-8", "replace")
    if len(data) > MOST_BYTES:
        return ""
    asked = f"\x1b]52;c;{base64.b64encode(data).decode()}\x07"
    if environ.get("TMUX"):
        return "\x1bPtmux;" + asked.replace("\x1b", "\x1b\x1b") + "\x1b\\"
    if environ.get("STY"):
        return f"\x1bP{asked}\x1b\\"
    return asked


def copy(app: App[int], text: str) -> str:
    """Copy a text; returns the file that it is in as well, '' where none could be written."""
    app.copy_to_clipboard(text)
    if (asked := sequence(text)).startswith("\x1bP") and app._driver is not None:
        app._driver.write(asked)
    path = state_dir() / "copied.txt"
    with contextlib.suppress(OSError):
        path.parent.mkdir(mode=PRIVATE_DIRECTORY, parents=True, exist_ok=True)
        write_atomically(path, text.encode("utf-8", "replace"), durable=False)
        return short_path(Path(path))
    return ""
