"""Training rate while nobody reads the terminal, and after it has gone away, against before.

    python -m tests.benchmarks.detached [ROUNDS] [SECONDS]

The app trains a copy of the starter on a pty. In turns the pty is read and not read; at the end it is closed, as a
connection that breaks, and the run goes on in the background. The rate is that of the steps in the event log.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks.tables import print_ratios
from tests.events import raw_events
from tests.programs import wait_for
from tests.pty.conftest import Machine
from tui_finetune.starter.paths import MODEL

SETTINGS = (
    "max_steps: 100000\nlearning_rate: 1.0e-3\nlogging_steps: 1\neval_strategy: no\nsave_strategy: no\n"
    "per_device_train_batch_size: 2\ngradient_accumulation_steps: 1\n"
)
WARM_UP_SECONDS = 5.0


def rate(machine: Machine, seconds: float) -> float:
    """Steps a second over that time from now on, by the run's own events."""
    began = time.time()
    time.sleep(seconds)
    marks = [
        (float(event["time"]), int(event["done"]))
        for event in raw_events(machine.run.events_path)
        if event["type"] == "progress" and event["phase"] == "training" and event["time"] >= began
    ]
    (first, step), (last, end) = marks[0], marks[-1]
    return (end - step) / (last - first)


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 10.0
    measured: dict[str, list[float]] = {"terminal read": [], "terminal stalled": [], "after SIGHUP": []}
    with tempfile.TemporaryDirectory() as base:
        machine = Machine(Path(base), MODEL)
        machine.suit(SETTINGS)
        try:
            terminal = machine.training(columns=120, rows=36)
            terminal.emulates = False  # its work must not take the training's cores
            time.sleep(WARM_UP_SECONDS)
            for _ in range(rounds):
                measured["terminal read"].append(rate(machine, seconds))
                terminal.stall()
                time.sleep(WARM_UP_SECONDS)  # until all buffers are full
                measured["terminal stalled"].append(rate(machine, seconds))
                terminal.go_on_reading()
            terminal.hang_up()
            wait_for(lambda: terminal.process.poll() is not None, "the front does not end")
            for _ in range(rounds):
                measured["after SIGHUP"].append(rate(machine, seconds))
        finally:
            machine.close()
    print_ratios("Training rate without a reader", measured, "terminal read", "steps/s", "at least 0.98")


if __name__ == "__main__":
    main()
