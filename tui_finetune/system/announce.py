"""Telling a person who looks elsewhere: the terminal's title, its bell, and notifications on the desktop by the terminal.

Sequences: OSC 2 sets the title, and 22;0t and 23;0t keep and restore it (xterm); OSC 9 is iTerm2's notification and OSC 777
urxvt's, and most terminals know one of the two. tmux and screen pass a sequence on where it is wrapped in theirs.
"""

from __future__ import annotations

from collections.abc import Mapping

from tui_finetune.system.terminal import printable

KEEP_TITLE = "\x1b[22;0t"
RESTORE_TITLE = "\x1b[23;0t"
BELL = "\a"

_LONGEST = 200


def _clean(words: str) -> str:
    """One line that ends no sequence and separates no fields of one."""
    return printable(words, lines=False).replace(";", ",")[:_LONGEST]


def title(words: str) -> str:
    """What sets the terminal's title."""
    return f"\x1b]2;{_clean(words)}{BELL}"


def notification(heading: str, words: str, environ: Mapping[str, str]) -> str:
    """What makes the terminal ring and show a notification.

    Args:
        heading, words: what it says.
        environ: tells what terminal it is, and whether tmux or screen lies between.
    """
    heading, words = _clean(heading), _clean(words)
    nine, seven = f"\x1b]9;{heading}: {words}{BELL}", f"\x1b]777;notify;{heading};{words}{BELL}"
    name = environ.get("TERM_PROGRAM", "").lower()
    if environ.get("VTE_VERSION") or environ.get("TERM", "").startswith(("rxvt", "foot")):
        nine = ""
    elif name in {"iterm.app", "wezterm", "ghostty"} or environ.get("TERM", "").startswith("xterm-kitty"):
        seven = ""
    return BELL + "".join(_passed_on(sequence, environ) for sequence in (nine, seven) if sequence)


def _passed_on(sequence: str, environ: Mapping[str, str]) -> str:
    if environ.get("TMUX"):
        return "\x1bPtmux;" + sequence.replace("\x1b", "\x1b\x1b") + "\x1b\\"
    if environ.get("STY"):
        return f"\x1bP{sequence}\x1b\\"
    return sequence
