"""How long the app takes to its first frame, and to the first that can be used, against a Textual app that does nothing.

    python -m tests.benchmarks.first_frame [RUNS]

Both are started in turn on a pseudo-terminal, as from a shell, with an empty home and the working directory's program,
compiled as an installed one is. Measured is the time from the start of the process to the moment when the frame's words
have arrived. The first frame has the tabs; the first that can be used has the list of models with the starter chosen, and
the keys in the footer, which work. The goals are ratios of at most 1.5 and 1.8.
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

EMPTY_APP = [sys.executable, "-c", EMPTY]
REAL_APP = [sys.executable, "-m", "tui_finetune"]

FIRST = [b"Dataset"]
USABLE = ["● ".encode(), b"Choose", b"Quit"]
"""Words of the two frames: the mark of what is chosen, the keys of the list and of the app."""

GOALS = {"the first frame": 1.5, "the first that can be used": 1.8}
"""How many times as long as the empty app's they may take."""


def seconds_to_words(command: list[str], frames: list[list[bytes]], home: Path) -> list[float]:
    """Start a program on a new terminal, wait for the words of each frame, and end the program.

    Raises:
        RuntimeError: it ended, or did not draw in time.
    """
    environment = {
        **{name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
        "HOME": str(home),
        "FINETUNE_TUI_STATE": str(home / "state"),
        "HF_HOME": str(home / "hub"),
        "HF_HUB_OFFLINE": "1",
        "TERM": "xterm-256color",
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "PYTHONPYCACHEPREFIX": str(home / "compiled"),
    }
    began = time.perf_counter()
    process, terminal = pty.fork()
    if process == 0:
        fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        os.chdir(home)
        os.execvpe(command[0], command, environment)
    drawn = b""
    taken: list[float] = []
    try:
        while len(taken) < len(frames):
            left = PATIENCE_SECONDS - (time.perf_counter() - began)
            ready, _, _ = select.select([terminal], [], [], max(0.0, left))
            if not ready:
                raise RuntimeError(f"nothing was drawn in {PATIENCE_SECONDS:.0f} s: {drawn[-300:]!r}")
            try:
                drawn += os.read(terminal, 65536)
            except OSError:
                raise RuntimeError(f"the program ended: {drawn[-2000:].decode('utf-8', 'replace')}") from None
            while len(taken) < len(frames) and all(word in drawn for word in frames[len(taken)]):
                taken.append(time.perf_counter() - began)
        return taken
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process, signal.SIGKILL)
        os.waitpid(process, 0)
        os.close(terminal)


def main() -> int:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else RUNS
    empty: list[float] = []
    real: dict[str, list[float]] = {name: [] for name in GOALS}
    with tempfile.TemporaryDirectory(prefix="first-frame-") as home:
        for number in range(runs + 1):
            took = seconds_to_words(EMPTY_APP, [[b"first-frame"]], Path(home))
            frames = seconds_to_words(REAL_APP, [FIRST, USABLE], Path(home))
            if number:  # the first of each fills the caches of the disk and of compiled Python
                empty += took
                for name, seconds in zip(GOALS, frames, strict=True):
                    real[name].append(seconds)
    print(f"{'seconds to':30}{'median':>10}{'best':>10}{'worst':>10}{'ratio':>10}{'goal':>10}")
    base = statistics.median(empty)
    print(f"{'an empty Textual app':30}{base:10.3f}{min(empty):10.3f}{max(empty):10.3f}")
    good = True
    for name, goal in GOALS.items():
        taken = real[name]
        median = statistics.median(taken)
        good = good and median / base <= goal
        print(f"{name:30}{median:10.3f}{min(taken):10.3f}{max(taken):10.3f}{median / base:10.2f}{goal:10.1f}")
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
