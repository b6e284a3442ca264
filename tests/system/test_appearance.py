"""Dark or light, and how many colors: told by the terminal, its environment or the person, and remembered."""

from __future__ import annotations

import json
import os
import pty
import threading
from pathlib import Path

import pytest

from tui_finetune.system import appearance
from tui_finetune.system.appearance import ask_background, background_in, choose, color_depth, is_dark


@pytest.mark.parametrize(
    ("environ", "depth"),
    [
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, "full"),
        ({"TERM": "xterm-256color"}, "256"),
        ({"TERM": "screen-256color"}, "256"),
        ({"TERM": "xterm"}, "16"),
        ({"TERM": "linux"}, "16"),
        ({"TERM": "xterm-256color", "COLORTERM": "truecolor", "NO_COLOR": ""}, "16"),
    ],
)
def test_the_number_of_colors_is_told_from_the_environment(environ: dict[str, str], depth: str) -> None:
    assert color_depth(environ) == depth


@pytest.mark.parametrize(
    ("reply", "dark"),
    [
        (b"\x1b]11;rgb:1414/1818/1d1d\x1b\\\x1b[?62;c", True),
        (b"\x1b]11;rgb:ffff/ffff/ffff\x07", False),
        (b"\x1b]11;rgba:f/f/e/f\x07", False),
        (b"\x1b[?1;2c", None),
        (b"", None),
    ],
)
def test_a_background_is_dark_or_light_or_not_told(reply: bytes, dark: bool | None) -> None:
    assert background_in(reply) is dark


def terminal(answer: bytes) -> tuple[int, threading.Thread]:
    """A terminal that gives this answer to the first question."""
    master, slave = pty.openpty()

    def work() -> None:
        if b"\x1b]11;?" in os.read(master, 100):
            os.write(master, answer)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return slave, thread


def test_a_terminal_is_asked_and_its_answer_is_not_left_for_others() -> None:
    slave, _ = terminal(b"\x1b]11;rgb:f0f0/f0f0/f0f0\x1b\\\x1b[?62;22c")
    assert ask_background(slave, slave, 5) is False
    slave, _ = terminal(b"\x1b[?62c")
    assert ask_background(slave, slave, 5) is None


def test_a_terminal_that_says_nothing_is_not_waited_for_long() -> None:
    _, slave = pty.openpty()
    assert ask_background(slave, slave, 0.05) is None


def test_keys_that_were_typed_before_are_not_taken() -> None:
    import tty

    master, slave = pty.openpty()
    tty.setcbreak(slave)
    os.write(master, b"4")
    assert ask_background(slave, slave, 5) is None
    assert os.read(slave, 1) == b"4"


def test_it_is_asked_once_and_what_was_chosen_counts_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []

    def light(seconds: float) -> bool:
        asked.append(seconds)
        return False

    monkeypatch.setattr(appearance, "ask_background", light)
    environ, kept = {"TERM": "xterm"}, tmp_path / "appearance.json"
    assert not is_dark(environ, kept)
    assert not is_dark(environ, kept)
    assert len(asked) == 1
    assert is_dark({**environ, "COLORFGBG": "15;0"}, kept)
    assert not is_dark({**environ, "COLORFGBG": "0;15"}, kept)
    choose(True, kept)
    assert is_dark(environ, kept)
    assert is_dark({**environ, "COLORFGBG": "0;15"}, kept)
    assert not is_dark({**environ, "FINETUNE_TUI_THEME": "light"}, kept)
    kept.write_text(json.dumps(["no"]))
    is_dark(environ, kept)
    assert len(asked) == 2
