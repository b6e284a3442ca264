"""How long the app takes to its first frame, against a Textual app that does nothing.

    python -m tests.benchmarks.first_frame [RUNS]

Both are started in turn on a pseudo-terminal, as from a shell, with an empty home and the working directory's program.
Measured is the time from the start of the process to the moment when a word of the frame has arrived. The goal is a
ratio of at most 1.5.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import statistics
import struct
import sys
import tempfile
import termios
import time
from pathlib import Path

GOAL = 1.5
RUNS = 7
ROWS, COLUMNS = 24, 80
PATIENCE_SECONDS = 60.0

EMPTY = """
from textual.app import App
from textual.widgets import Static

class Empty(App):
    def compose(self):
        yield Static("first-frame")

Empty().run()
"""

PROGRAMS = {
    "an empty Textual app": ([sys.executable, "-c", EMPTY], b"first-frame"),
    "finetune-tui": ([sys.executable, "-m", "tui_finetune"], b"Dataset"),
}
"""What is started, and a word of its first frame."""


def seconds_to_frame(command: list[str], word: bytes, home: Path) -> float:
    """Start a program on a new terminal, wait for a word on it, and end the program.

    Raises:
        RuntimeError: it ended, or did not draw in time.
    """
    environment = {
        **os.environ,
        "HOME": str(home),
        "FINETUNE_TUI_STATE": str(home / "state"),
        "HF_HOME": str(home / "hub"),
        "HF_HUB_OFFLINE": "1",
        "TERM": "xterm-256color",
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    began = time.perf_counter()
    process, terminal = pty.fork()
    if process == 0:
        fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        os.chdir(home)
        os.execvpe(command[0], command, environment)
    drawn = b""
    try:
        while word not in drawn:
            left = PATIENCE_SECONDS - (time.perf_counter() - began)
            ready, _, _ = select.select([terminal], [], [], max(0.0, left))
            if not ready:
                raise RuntimeError(f"nothing was drawn in {PATIENCE_SECONDS:.0f} s: {drawn[-300:]!r}")
            try:
                drawn += os.read(terminal, 65536)
            except OSError:
                raise RuntimeError(f"the program ended: {drawn[-2000:].decode('utf-8', 'replace')}") from None
        return time.perf_counter() - began
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process, signal.SIGKILL)
        os.waitpid(process, 0)
        os.close(terminal)


def main() -> int:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else RUNS
    times: dict[str, list[float]] = {name: [] for name in PROGRAMS}
    with tempfile.TemporaryDirectory(prefix="first-frame-") as home:
        for number in range(runs + 1):
            for name, (command, word) in PROGRAMS.items():
                took = seconds_to_frame(command, word, Path(home))
                if number:  # the first of each fills the caches of the disk and of compiled Python
                    times[name].append(took)
    print(f"{'seconds to the first frame':28}{'median':>10}{'best':>10}{'worst':>10}")
    for name, taken in times.items():
        print(f"{name:28}{statistics.median(taken):10.3f}{min(taken):10.3f}{max(taken):10.3f}")
    empty, real = (statistics.median(taken) for taken in times.values())
    ratio = real / empty
    print(f"{'ratio of the medians':28}{ratio:10.2f}   (goal: at most {GOAL})")
    return 0 if ratio <= GOAL else 1


if __name__ == "__main__":
    raise SystemExit(main())
