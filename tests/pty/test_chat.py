"""The chat on a real terminal: keys that come at once are a prompt, wherever the focus is."""

from __future__ import annotations

from tests.pty.conftest import Machine


def test_5_and_words_in_one_write_are_a_prompt(machine: Machine) -> None:
    terminal = machine.terminal()
    terminal.wait("sea-tales")
    terminal.write("5I have 2 cats")
    terminal.wait("I have 2 cats")
    terminal.wait("temperature")
    terminal.press("escape")
    terminal.wait("continues text|chat turns")
    terminal.wait("What you wrote is kept")
    terminal.write(" and 3 dogs")
    terminal.wait("I have 2 cats and 3 dogs")
