"""The real program, a run going, and random keys, in bursts and slowly: no crash, no traceback, no run lost (C1)."""

from __future__ import annotations

import contextlib
import random
import time

import pytest

from tests.app.test_any_keys import KEYS
from tests.programs import wait_for
from tests.pty.conftest import Machine
from tests.pty.terminal import Terminal
from tui_finetune.runs.checkpoints import newest_sound
from tui_finetune.runs.registry import known_runs
from tui_finetune.runs.summary import load_state

NAMES = {
    "question_mark": "?", "slash": "/", "space": " ", "plus": "+", "minus": "-", "left_square_bracket": "[",
    "right_square_bracket": "]", "f1": "\x1bOP", "f2": "\x1bOQ", "f3": "\x1bOR", "f4": "\x1bOS", "pageup": "\x1b[5~",
    "pagedown": "\x1b[6~", "home": "\x1b[H", "end": "\x1b[F", "tab": "\t", "shift+tab": "\x1b[Z", "backspace": "\x7f",
    "delete": "\x1b[3~", "up": "\x1b[A", "down": "\x1b[B", "left": "\x1b[D", "right": "\x1b[C", "enter": "\r",
    "escape": "\x1b",
}  # fmt: skip
LEAVING = ["ctrl+q", "ctrl+d"]
"""Keys by which the app may be left; it is opened again then."""


def written(key: str) -> str:
    """What a terminal sends for a key."""
    return chr(ord(key[5]) & 0x1F) if key.startswith("ctrl+") else NAMES.get(key, key)


def is_open(terminal: Terminal) -> bool:
    return terminal.process.poll() is None


def assert_sound(machine: Machine, terminal: Terminal) -> None:
    """Nothing failed so far, and every run that was ever begun is there, or was told to be deleted."""
    log = machine.base / "state" / "app.log"
    words = terminal.text() + (log.read_text(errors="replace") if log.exists() else "")
    assert "Traceback" not in words, words[-4000:]
    assert "this is a bug" not in words, words[-4000:]


def type_into(machine: Machine, seed: int, presses: int) -> None:
    chance = random.Random(seed)
    terminal = machine.training()
    pressed = 0
    while pressed < presses:
        keys = chance.choices([*KEYS, *LEAVING], k=chance.choice([1, 1, 2, 3, 5, 8]))
        pressed += len(keys)
        with contextlib.suppress(OSError):  # it may just have ended
            terminal.write("".join(map(written, keys)))
        time.sleep(chance.choice([0, 0, 0.001, 0.01, 0.05, 0.3]))
        if not is_open(terminal):
            assert terminal.status() in (0, 130)
            assert_sound(machine, terminal)
            terminal = machine.terminal()
            terminal.wait("finetune-tui|Model")
    assert_sound(machine, terminal)
    for path in (machine.folder / "runs").iterdir():
        assert any(path.iterdir()), f"{path} is empty"
        assert newest_sound(path / "checkpoints")[1] == []
    # One that was started by the last keys has a moment to begin.
    wait_for(lambda: all(load_state(run).starts for run in known_runs(machine.folder)), "a run never began")


@pytest.mark.parametrize("seed", [1])
def test_c1_random_keys_on_a_terminal_end_nothing(machine: Machine, seed: int) -> None:
    type_into(machine, seed, 150)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(10))
def test_c1_thousands_of_random_keys_on_a_terminal_end_nothing(machine: Machine, seed: int) -> None:
    type_into(machine, seed, 3000)
