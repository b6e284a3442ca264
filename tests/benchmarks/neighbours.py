"""What two runs at once on one machine cost each other, with and without the limit on how long torch's threads spin.

    python -m tests.benchmarks.neighbours [STEPS]

The starter is trained for 100 steps (without an argument), alone and beside a second run of the same kind. Without the
limit means libgomp's own default; with it, what the program sets. Counted are the seconds of training of the slower run.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tui_finetune.cli.tables import table
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.summary import load_state
from tui_finetune.system.environment import SPIN_ROUNDS

ROOT = Path(__file__).parents[2]

LIBGOMP_DEFAULT = "300000"
"""Rounds that libgomp's threads spin where neither GOMP_SPINCOUNT nor OMP_WAIT_POLICY is set."""

GOAL = 3.0
"""Two at once may take so many times as long as one alone: twice for sharing the cores, the rest for getting in the way."""


def start(folder: Path, name: str, steps: int, rounds: str) -> subprocess.Popen[bytes]:
    """Start a run in a process of its own."""
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith(("OMP_", "GOMP_"))},
        "GOMP_SPINCOUNT": rounds,
        "FINETUNE_TUI_STATE": str(folder / "state"),
        "FINETUNE_TUI_CACHE": str(folder / "cache"),
        "HF_HUB_OFFLINE": "1",
        "PYTHONPATH": str(ROOT),
    }
    command = [
        sys.executable, "-m", "tui_finetune", "train", "--output_dir", str(folder / name), "--max_steps", str(steps),
        "--eval_strategy", "no", "--save_strategy", "no",
    ]  # fmt: skip
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL)


def seconds(steps: int, count: int, rounds: str) -> float:
    """The seconds of training of the slowest of so many runs at once."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        started = {f"run-{number}": start(folder, f"run-{number}", steps, rounds) for number in range(count)}
        for run, process in started.items():
            if process.wait() != 0:
                raise RuntimeError(f"{run} ended with status {process.returncode}")
        results = [load_state(RunDirectory(folder / run)).result for run in started]
        return max(result.seconds for result in results if result is not None and result.seconds is not None)


def main() -> int:
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    rows = []
    ratio = 0.0
    for words, rounds in (("libgomp's default", LIBGOMP_DEFAULT), ("as the program sets it", SPIN_ROUNDS)):
        alone, both = seconds(steps, 1, rounds), seconds(steps, 2, rounds)
        ratio = both / alone
        rows.append([words, f"{alone:.1f}", f"{both:.1f}", f"{ratio:.1f}"])
    for line in table(("threads spin", "alone, s", "two at once, s", "ratio"), rows, right=frozenset({1, 2, 3})):
        print(line)
    print(f"goal: at most {GOAL} as the program sets it")
    return 0 if ratio <= GOAL else 1


if __name__ == "__main__":
    raise SystemExit(main())
