"""What reaches the terminal: on small ones, on plain ones, on none, and when files hold what a terminal would obey."""

from __future__ import annotations

import json
import re
import subprocess

import pytest

from tests.pty.conftest import PROGRAM, Machine
from tests.pty.terminal import Terminal

STYLE = re.compile(rb"\x1b\[([0-9;]*)m")
GRAY = re.compile(r"[34]8;2;(\d+);\1;\1(?!\d)")
COLOR = re.compile(r"\b(?:[34][0-8]|9[0-7]|10[0-7])\b")

EVIL = "\x1b]52;c;RVZJTA==\x07 \x1b[2J \x9b31m \x7f \u202eesrever [red]loud[/] [@click=app.quit()]here[/] [/nothing]"


def quit_app(terminal: Terminal) -> None:
    terminal.press("ctrl+q")
    assert terminal.status() == 0
    assert terminal.is_as_before()


def test_fault_24_every_screen_survives_any_size(machine: Machine) -> None:
    terminal = machine.terminal(columns=80, rows=24)
    terminal.wait("Choose")
    for number, size in enumerate([(20, 5), (1, 1), (300, 100), (2, 40), (120, 2), (60, 20), (40, 10)] * 3):
        terminal.resize(*size)
        terminal.press(str(number % 4 + 1), "escape")
    terminal.resize(100, 30)
    terminal.press("1")
    terminal.wait("1 Model(?s:.*)● starter(?s:.*)Quit")
    quit_app(terminal)


def test_a_size_that_a_shell_has_exported_is_not_taken_for_the_terminals(machine: Machine) -> None:
    terminal = machine.terminal(columns=100, rows=30, COLUMNS="40", LINES="10")
    terminal.wait("1 Model(?s:.*)6 Runs(?s:.*)● starter(?s:.*)Quit")
    terminal.resize(120, 36)
    terminal.wait("all 1.8M weights")  # for which narrower screens have no room
    quit_app(terminal)


@pytest.mark.parametrize(
    "environment", [{"NO_COLOR": "1"}, {"TERM": "xterm", "COLORTERM": ""}], ids=["no color", "16 colors"]
)
def test_it_shows_on_plain_terminals(machine: Machine, environment: dict[str, str]) -> None:
    machine.environment |= environment
    terminal = machine.terminal()
    terminal.wait("● starter(?s:.*)Choose")  # what is chosen is told by a mark
    quit_app(terminal)
    if "NO_COLOR" in environment:
        styles = {style.decode() for style in STYLE.findall(bytes(terminal.raw))}
        assert [style for style in styles if COLOR.search(GRAY.sub("", style))] == []
    else:
        assert b"38;2;" not in terminal.raw


@pytest.mark.parametrize("term", ["dumb", ""])
def test_fault_23_a_terminal_that_can_do_nothing_is_told_what_works(machine: Machine, term: str) -> None:
    terminal = machine.terminal(TERM=term)
    assert terminal.status() == 2
    assert "error: the app needs a terminal" in terminal.text()
    assert "hint: without one, use `finetune-tui train`" in terminal.text()
    assert b"\x1b" not in terminal.raw


def test_fault_23_without_a_terminal_it_says_what_works(machine: Machine) -> None:
    for arguments in ((), ("attach",)):
        done = subprocess.run(
            [*PROGRAM, *arguments],
            cwd=machine.folder,
            env=machine.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 2
        assert [line.split(":")[0] for line in done.stderr.splitlines()] == ["error", "hint"]
        assert done.stdout == ""


def test_nothing_in_names_or_data_reaches_the_terminal_raw(machine: Machine) -> None:
    name = "a\x1b[31m\x07[red]\u202e[@click=app.quit()]b"
    (machine.folder / f"{name}.jsonl").write_text("".join(json.dumps({"text": f"{n} {EVIL}"}) + "\n" for n in range(9)))
    (machine.folder / "tiny").rename(machine.folder / f"{name}-model")
    terminal = machine.terminal()
    terminal.wait(r"-model\s+\d(?s:.*)Choose")
    terminal.press("down")
    terminal.wait("enter chooses it")
    terminal.press("enter")
    terminal.wait("● chosen · folders here")
    terminal.press("2")
    terminal.wait(r"filter, path or hub name(?s:.*)a␛\[31m(?s:.*)Filter")
    terminal.press("/")
    terminal.wait("Choose", gone=True)
    terminal.write("b.jsonl")
    terminal.wait(r"b\.jsonl(?s:.*)\[red\]loud\[/\]")
    terminal.press("enter")
    terminal.wait(r"● a␛\[31m(?s:.*)\[red\]loud\[/\]")
    quit_app(terminal)
    raw = bytes(terminal.raw)
    # Textual's own: the shape of the mouse pointer.
    text = re.sub("\x1b\\]22;[a-z-]*\x07", "", raw.decode("utf-8", "replace"))
    assert b"\x1b]52" not in raw
    assert b"\x1b[31m\x07" not in raw
    assert not re.search("[\x07\x7f-\x9f\u202e]", text)
