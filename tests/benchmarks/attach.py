"""How long `finetune-tui attach` takes to the full chart of a run with 100,000 logged steps.

    python -m tests.benchmarks.attach [RUNS]

The run is an event log as a trainer of that length writes it, with its progress and readings of the device, and this
process holds its lock. Measured is the time from the start of the command to the moment when the last step and the curve
have been sent to the terminal (an emulator written in Python would add the tenth of a second that it takes to draw them);
in turns with the same for a run of 100 steps, which is what starting the program takes.
"""

from __future__ import annotations

import math
import os
import re
import sys
import tempfile
import time
from pathlib import Path

from tests.benchmarks.tables import print_ratios
from tests.events import line
from tests.programs import wait_for
from tests.pty.conftest import PROGRAM
from tests.pty.terminal import Terminal
from tui_finetune.config.schema import RunConfig
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.lock import RunLock

BRAILLE = "[\u2801-\u28ff]"
_SEQUENCE = re.compile(rb"\x1b\[[0-9;?]*[a-zA-Z]")


def make_run(path: Path, steps: int) -> RunDirectory:
    """A run that goes on, with so many logged steps of half a second each."""
    run = RunDirectory(path)
    run.create()
    run.write_config(RunConfig(logging_steps=1, max_steps=2 * steps))
    began = time.time() - steps / 2
    with run.events_path.open("wb") as file:

        def write(moment: float, kind: str, **fields: object) -> None:
            file.write(line({"time": round(moment, 3), "type": kind, **fields}))

        write(began, "status", status="starting", model="starter", dataset="sea-tales")
        write(began, "status", status="running", total_steps=2 * steps)
        write(began, "phase", phase="training", label="")
        for step in range(1, steps + 1):
            now = began + step / 2
            loss = 2 + 2 * math.exp(-step / steps * 5) + 0.2 * math.sin(step)
            write(now, "progress", phase="training", done=step, total=2 * steps, unit="steps")
            write(
                now,
                "metrics",
                step=step,
                epoch=round(step / 1000, 4),
                loss=loss,
                learning_rate=1e-4,
                grad_norm=1.25,
                tokens_per_second=8123.4,
                num_tokens=4096 * step,
            )
            if step % 4 == 0:
                write(now, "resources", cpu=97.0, memory=2_100_000_000, memory_total=23_000_000_000)
            if step % 1000 == 0:
                write(now, "metrics", step=step, epoch=step / 1000, eval_loss=loss)
    return run


def seconds_to_chart(run: RunDirectory, steps: int, base: Path) -> float:
    environment = {
        **os.environ,
        "HOME": str(base),
        "FINETUNE_TUI_STATE": str(base / "state"),
        "HF_HUB_OFFLINE": "1",
        "TERM": "xterm-256color",
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    began = time.perf_counter()
    with Terminal(
        [*PROGRAM, "attach", str(run.path)], environment=environment, folder=base, columns=120, rows=36
    ) as terminal:
        terminal.emulates = False

        def shown() -> bool:
            text = _SEQUENCE.sub(b"", bytes(terminal.raw)).decode(errors="ignore")
            return bool(re.search(BRAILLE, text) and re.search(rf"step +{steps:,}", text))

        wait_for(shown, "the chart does not come")
        return time.perf_counter() - began


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    measured: dict[str, list[float]] = {"100 steps": [], "100,000 steps": []}
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        short, long = make_run(base / "short", 100), make_run(base / "long", 100_000)
        with RunLock(short.lock_path), RunLock(long.lock_path):
            for number in range(runs + 1):
                for name, run, steps in (("100 steps", short, 100), ("100,000 steps", long, 100_000)):
                    took = seconds_to_chart(run, steps, base)
                    if number:  # the first of each fills the caches of the disk and of compiled Python
                        measured[name].append(took)
    print_ratios("Attaching, to the full chart", measured, "100 steps", "seconds", "100,000 steps under 1 s")


if __name__ == "__main__":
    main()
