"""What is typed in one go, as when it is pasted or the machine is busy, arrives where it is meant."""

from __future__ import annotations

import pytest

from tests.pty.conftest import Machine


@pytest.mark.parametrize("screen", ["1", "2", "3", "6"])
def test_letters_right_behind_the_slash_are_in_the_filter(machine: Machine, screen: str) -> None:
    terminal = machine.terminal()
    terminal.wait("starter")  # the first frame is there, and not much more
    for key in f"{screen}/qpn3":
        terminal.write(key)
    terminal.wait("qpn3")
