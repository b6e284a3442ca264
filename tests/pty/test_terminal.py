"""The tests' own terminal: what it shows is what its program wrote, all of it and nothing else."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.programs import wait_for
from tests.pty.terminal import Terminal

CHATTY = "import sys\nwhile True: sys.stdout.write('\\x1b[3;4Hx' * 500)"
LINES = [f"line {number}" for number in range(3000)]


def test_a_terminal_takes_no_byte_of_the_next_one(tmp_path: Path) -> None:
    for _ in range(4):
        with Terminal([sys.executable, "-c", CHATTY], environment=os.environ, folder=tmp_path) as terminal:
            terminal.wait("x")
        code = f"print(*(f'line {{n}}' for n in range({len(LINES)})), sep='\\n')"
        with Terminal([sys.executable, "-c", code], environment=os.environ, folder=tmp_path) as terminal:
            wait_for(lambda: LINES[-1].encode() in terminal.raw, "a part of it is missing")
            assert bytes(terminal.raw).decode().split() == " ".join(LINES).split()


def test_a_sequence_that_comes_in_two_pieces_is_drawn_whole(tmp_path: Path) -> None:
    code = (
        "import sys, time\n"
        "for piece in ('\\x1b[2', ';5Hhere', '\\x1b[>', '1uthere', '\\x1b', '[?10', '49hover'):\n"
        "    sys.stdout.write(piece); sys.stdout.flush(); time.sleep(0.1)\n"
        "time.sleep(60)\n"
    )
    with Terminal([sys.executable, "-c", code], environment=os.environ, folder=tmp_path) as terminal:
        assert terminal.wait("over").strip() == "over"  # on the alternate screen, which was empty
        assert "    herethere" in "\n".join(terminal._normal.display)
