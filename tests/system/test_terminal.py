"""Nothing that a terminal might obey gets through."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rich.segment import Segment
from textual.color import Color

from tui_finetune.cli.output import write_line
from tui_finetune.system.terminal import over_ssh, printable
from tui_finetune.tui.theme import ControlCharacterFilter

NASTY = ["\x1b[2J", "\x1b]52;c;aGk=\x07", "\x9b31m", "\x07", "\x08", "\x7f", "\r", "\u202e", "\u2066", "\x00", "\ud800"]


@pytest.mark.parametrize("nasty", NASTY)
def test_control_characters_are_shown_not_sent(nasty: Any) -> None:
    shown = printable(f"a{nasty}b")
    assert shown.startswith("a")
    assert shown.endswith("b")
    assert not any(ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0 or c in "\u202e\u2066\ud800" for c in shown)
    filtered = ControlCharacterFilter().apply([Segment(f"a{nasty}b")], Color(0, 0, 0))
    assert filtered[0].text == printable(f"a{nasty}b", lines=False)


def test_text_stays_as_it_is() -> None:
    text = "naïve 日本 ⠿ \U0001f600\n\tx"
    assert printable(text) == text
    assert printable("a\nb\tc", lines=False) == "a␊b␉c"


def test_an_encoding_that_lacks_a_character_is_no_error(tmp_path: Path) -> None:
    path = tmp_path / "out"
    with path.open("w", encoding="latin-1") as stream:
        write_line("café → 日本", stream)
    assert path.read_text(encoding="latin-1") == "café ? ??\n"


def test_ssh_is_known_by_its_variables() -> None:
    assert over_ssh({"SSH_TTY": "/dev/pts/1"})
    assert not over_ssh({"TERM": "xterm"})
