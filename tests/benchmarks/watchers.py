"""What people who watch cost a training: the app attached twenty times to one run.

    python -m tests.benchmarks.watchers [WATCHERS] [SECONDS]

The starter trains on and on; in turns it is let alone and watched by so many apps, each on a terminal of its own whose
output is read and thrown away. Counted are its steps a second, from its own log.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from tests.benchmarks.tables import print_ratios
from tests.programs import wait_for
from tests.pty.conftest import PROGRAM
from tests.pty.terminal import Terminal
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.summary import load_state

ROUNDS = 3
SETTLING = 10.0
"""Seconds that the apps have to open; what starting them takes is no watching."""


def steps_a_second(run: RunDirectory, seconds: float) -> float:
    """How fast it goes, over so many seconds."""
    first, began = load_state(run, brief=True).step, time.monotonic()
    time.sleep(seconds)
    return (load_state(run, brief=True).step - first) / (time.monotonic() - began)


def main() -> None:
    watchers = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 30.0
    measured: dict[str, list[float]] = {"alone": [], f"{watchers} watchers": []}
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        environment = {
            **os.environ,
            "HOME": folder,
            "FINETUNE_TUI_STATE": str(base / "state"),
            "HF_HUB_OFFLINE": "1",
            "TERM": "xterm-256color",
            "PYTHONPATH": str(Path(__file__).parents[2]),
        }
        train = [*PROGRAM, "train", "--output_dir", "run", "--max_steps", "1000000", "--eval_strategy", "no"]
        training = subprocess.Popen(
            [*train, "--save_strategy", "no", "--logging_steps", "1"],
            cwd=base, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        run = RunDirectory(base / "run")
        try:
            wait_for(lambda: load_state(run, brief=True).step >= 5, "the training does not begin")
            for _ in range(ROUNDS):
                measured["alone"].append(steps_a_second(run, seconds))
                with ExitStack() as stack:
                    for _ in range(watchers):
                        terminal = Terminal(
                            [*PROGRAM, "attach", str(run.path)],
                            environment=environment,
                            folder=base,
                            columns=100,
                            rows=30,
                        )
                        terminal.emulates = False
                        stack.enter_context(terminal)
                    time.sleep(SETTLING + watchers)
                    measured[f"{watchers} watchers"].append(steps_a_second(run, seconds))
        finally:
            training.send_signal(signal.SIGTERM)
            training.wait()
    print_ratios(f"Training beside {watchers} watchers", measured, "alone", "steps/s", "ratio at least 0.9")


if __name__ == "__main__":
    main()
