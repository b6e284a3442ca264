"""How many bytes a second the Training screen sends to a terminal of 80x24, over SSH and not.

The run is one that this program writes, two steps a second with a loss every fifth, so that no training takes part.

python -m tests.benchmarks.line
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

from tests.app.fake_run import half_way
from tests.environment import without_foreign
from tests.pty.terminal import Terminal
from tui_finetune.runs.lock import RunLock

SECONDS = 30
LIMITS = {"over SSH": 3.0, "else": 10.0}
"""KB a second."""


def measure(folder: Path, over_ssh: bool) -> float:
    """KB a second while the run goes on."""
    fake = half_way(folder / "runs" / "tales-1")
    environment = without_foreign(os.environ) | {
        "TERM": "xterm-256color",
        "COLORTERM": "truecolor",
        "FINETUNE_TUI_STATE": str(folder / "state"),
        "FINETUNE_TUI_THEME": "dark",
        "PYTHONPATH": os.getcwd(),
        **({"SSH_CONNECTION": "10.0.0.1 1 10.0.0.2 22"} if over_ssh else {}),
    }
    command = [sys.executable, "-m", "tui_finetune", "attach", str(fake.run.path)]
    with (
        RunLock(fake.run.lock_path),
        Terminal(command, environment=environment, folder=folder, columns=80, rows=24) as terminal,
    ):
        terminal.wait("360")
        time.sleep(5)
        before, began = len(terminal.raw), time.monotonic()
        while time.monotonic() - began < SECONDS:
            fake.train(1)
            time.sleep(0.5)
        sent = len(terminal.raw) - before
        terminal.press("ctrl+q")
        terminal.status()
    return sent / 1000 / SECONDS


def main() -> None:
    for name, limit in LIMITS.items():
        with tempfile.TemporaryDirectory() as folder:
            rate = measure(Path(folder), over_ssh=name == "over SSH")
        print(f"{name}: {rate:.2f} KB/s (limit {limit:.0f})")


if __name__ == "__main__":
    main()
