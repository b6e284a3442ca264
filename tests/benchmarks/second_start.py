"""How long a run on data that was prepared before takes to its first step.

    python -m tests.benchmarks.second_start [MEGABYTES]

A run of one step is started twice on the same .jsonl (50 MB without an argument), each time in a new process. What
counts is the time from the import of the libraries to the first step, loading the model left out.
"""

from __future__ import annotations

import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from tests.benchmarks.corpus import make_small_model, write_corpus
from tests.benchmarks.rates import in_its_own_process
from tests.events import raw_events
from tui_finetune.cli.tables import table

GOAL_SECONDS = 2.0
GETTING_READY = "Getting ready"


def start(folder: str, name: str) -> None:
    """Train one step; prints its number."""
    from tui_finetune.config.resolve import resolve
    from tui_finetune.runs.directory import RunDirectory
    from tui_finetune.training.session import TrainingSession

    run = RunDirectory(Path(folder) / name)
    run.create()
    settings = {
        "model": f"{folder}/model",
        "dataset": f"{folder}/data.jsonl",
        "max_length": 512,
        "max_steps": 1,
        "per_device_train_batch_size": 1,
        "gradient_accumulation_steps": 1,
        "eval_strategy": "no",
        "save_strategy": "no",
    }
    outcome = TrainingSession(resolve(settings), run).run()
    if outcome.error is not None:
        raise RuntimeError(outcome.error.message)
    print(outcome.step)


def seconds_by_phase(events: Path) -> dict[str, float]:
    """How long each phase took until the first step began."""
    taken: dict[str, float] = defaultdict(float)
    phase, began = "", 0.0
    for event in raw_events(events):
        running = event["type"] == "status" and event["status"] == "running"
        if event["type"] != "phase" and not running:
            continue
        if phase:
            taken[phase] += event["time"] - began
        if running:
            return taken
        phase, began = event["label"] if event["label"] == GETTING_READY else event["phase"], event["time"]
    raise RuntimeError(f"{events}: the run has not begun")


def main() -> int:
    megabytes = float(sys.argv[1]) if len(sys.argv) > 1 else 50
    starts = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_corpus(folder / "data.jsonl", megabytes)
        make_small_model(folder / "model", folder / "data.jsonl")
        for run in ("first", "second"):
            in_its_own_process("tests.benchmarks.second_start", f"start({name!r}, {run!r})", folder)
            starts.append(seconds_by_phase(folder / run / "events.jsonl"))
    beyond = [sum(s for phase, s in taken.items() if phase not in {GETTING_READY, "loading_model"}) for taken in starts]
    rows = [(phase, *(f"{taken.get(phase, 0.0):.2f}" for taken in starts)) for phase in starts[0]]
    rows.append(("beyond model and libraries", *(f"{seconds:.2f}" for seconds in beyond)))
    print(
        f"Seconds to the first step on {megabytes:g} MB (goal of the second start: under {GOAL_SECONDS:g} beyond the model)"
    )
    for line in table(("", "first start", "second"), rows, right=frozenset({1, 2})):
        print("  " + line)
    return 0 if beyond[1] < GOAL_SECONDS else 1


if __name__ == "__main__":
    raise SystemExit(main())
