"""Whether the terminal is dark or light and how many colors it has: told by itself where it can, and remembered."""

from __future__ import annotations

import json
import os
import re
import select
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from tui_finetune.system.terminal import over_ssh

REPLY_SECONDS, REPLY_SECONDS_OVER_SSH = 0.5, 2.0
"""How long a terminal may take to tell its background. All answer at once, and an answer that comes later would be taken for
typed; it is only asked where it is not known yet."""

VARIABLE = "FINETUNE_TUI_THEME"
"""The variable that says 'dark' or 'light' where nothing is to be found out."""

# The background (OSC 11), and behind it what every terminal tells (DA1): after that nothing more is to be waited for.
_QUESTION = b"\x1b]11;?\x1b\\\x1b[c"
_BACKGROUND = re.compile(rb"\x1b\]11;rgba?:([0-9a-fA-F]{1,4})/([0-9a-fA-F]{1,4})/([0-9a-fA-F]{1,4})")
_LAST_REPLY = re.compile(rb"\x1b\[\?[0-9;]*c")

CHOSEN = "chosen"
"""What the person has chosen, for every terminal."""


def color_depth(environ: Mapping[str, str]) -> Literal["full", "256", "16"]:
    """How many colors a terminal has, told from its environment, as Rich does which draws them."""
    if environ.get("NO_COLOR") is not None:
        return "16"
    if environ.get("COLORTERM", "").strip().lower() in {"truecolor", "24bit"}:
        return "full"
    name = environ.get("TERM", "").strip().lower()
    return "256" if name.rpartition("-")[2] in {"256color", "kitty"} else "16"


def is_dark(environ: Mapping[str, str], remembered: Path) -> bool:
    """Whether dark colors suit: what was chosen, else what the terminal says of itself, else what it said before.

    Args:
        environ: of the process.
        remembered: the file in which it is kept.
    """
    if environ.get(VARIABLE) in {"dark", "light"}:
        return environ[VARIABLE] == "dark"
    known: dict[str, bool] = _read(remembered)
    if CHOSEN in known:
        return known[CHOSEN]
    if (told := _from_environment(environ)) is not None:
        return told
    name = _terminal_name(environ)
    if name not in known:
        answer = ask_background(seconds=REPLY_SECONDS_OVER_SSH if over_ssh(environ) else REPLY_SECONDS)
        known[name] = True if answer is None else answer
        _write(remembered, known)
    return known[name]


def choose(dark: bool, remembered: Path) -> None:
    """Remember what the person has chosen."""
    _write(remembered, {**_read(remembered), CHOSEN: dark})


def _terminal_name(environ: Mapping[str, str]) -> str:
    names = ("TERM_PROGRAM", "TERM", "KONSOLE_VERSION", "VTE_VERSION", "SSH_CLIENT")
    return " ".join(environ.get(name, "").split(" ")[0] for name in names).strip() or "terminal"


def _from_environment(environ: Mapping[str, str]) -> bool | None:
    """What COLORFGBG tells, the number of the background among 16 colors behind its last semicolon; rxvt and Konsole set it."""
    last = environ.get("COLORFGBG", "").rpartition(";")[2]
    return int(last) not in {7, 9, 10, 11, 12, 13, 14, 15} if last.isdigit() and int(last) < 16 else None


def background_in(reply: bytes) -> bool | None:
    """Whether the background that a terminal has told is dark; None where it has not told it."""
    if (match := _BACKGROUND.search(reply)) is None:
        return None
    red, green, blue = (int(part, 16) / int(b"f" * len(part), 16) for part in match.groups())
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue < 0.5


def ask_background(entry: int = 0, out: int = 1, seconds: float = REPLY_SECONDS) -> bool | None:
    """Ask the terminal for its background. Keys that were typed before would be lost with the answer: then it is not asked."""
    try:
        import termios
        import tty

        before = termios.tcgetattr(entry)
        if select.select([entry], [], [], 0)[0]:
            return None
        try:
            tty.setcbreak(entry, termios.TCSANOW)
            os.write(out, _QUESTION)
            found = background_in(_reply(entry, seconds))
        finally:
            termios.tcsetattr(entry, termios.TCSANOW, before)
        return found
    except (OSError, termios.error, ImportError):
        return None


def _reply(entry: int, seconds: float) -> bytes:
    reply, end = b"", time.monotonic() + seconds
    while not _LAST_REPLY.search(reply) and (left := end - time.monotonic()) > 0:
        if select.select([entry], [], [], left)[0]:
            piece = os.read(entry, 1024)
            if not piece:
                break
            reply += piece
    return reply


def _read(path: Path) -> dict[str, bool]:
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {name: value for name, value in known.items() if isinstance(value, bool)} if isinstance(known, dict) else {}


def _write(path: Path, known: Mapping[str, bool]) -> None:
    from tui_finetune.system.files import write_atomically

    try:
        write_atomically(path, json.dumps(dict(known)).encode())
    except OSError:
        pass  # it is asked again the next time
