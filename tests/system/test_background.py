"""Letting go of a terminal."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import os, pty, select
from tui_finetune.system.background import let_go_of_terminal

terminal, other_end = pty.openpty()
os.dup2(other_end, 0)
let_go_of_terminal([])
# Whoever was told that there is something to read is not held up,
print(len(os.read(0, 100)))
# and whoever waits for more doesn't spin.
print(len(select.select([0], [], [], 0.1)[0]))
"""


def test_standard_input_neither_holds_up_a_reader_nor_makes_one_spin() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["1", "0"]
