"""Training rate with the app open, against the same Trainer run bare.

    python -m tests.benchmarks.throughput [RUNS]

The default plan (starter on sea-tales) is trained in turns by plain transformers.Trainer in a process of its own, and by
the app on a pty of 120x36 whose output is read and thrown away. The rate is steps over seconds from the 10th step on, evaluations and
saves left out: the median time of a step.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from statistics import median

from tests.benchmarks.tables import print_ratios
from tests.pty.terminal import Terminal, wait_for

FIRST_STEP = 10


def bare() -> None:
    """Train with plain Trainer and print the time at the end of each step. Run in a process of its own."""
    from transformers import Trainer, TrainerCallback

    from tui_finetune.data.preparation import prepare
    from tui_finetune.data.sources import open_dataset
    from tui_finetune.models.catalog import model_settings
    from tui_finetune.models.loading import load_model, load_tokenizer
    from tui_finetune.resolution import resolve
    from tui_finetune.training.arguments import training_arguments
    from tui_finetune.training.document_attention import attention_by_document

    config = resolve({"eval_strategy": "no", "save_strategy": "no"}, model_settings=model_settings("starter")).config
    tokenizer = load_tokenizer(config.model_name_or_path)
    data = prepare(open_dataset(config), config, tokenizer, config.max_length or 512)
    model = load_model(config.model_name_or_path, tokenizer=tokenizer)
    times: dict[int, float] = {}

    class Clock(TrainerCallback):
        def on_step_end(self, args, state, control, **kwargs):
            times[state.global_step] = time.monotonic()

    # By document as in the app: the attention is not what is compared.
    with tempfile.TemporaryDirectory() as folder, attention_by_document():
        arguments = training_arguments(config, Path(folder), precision="fp32", evaluates=False)
        Trainer(
            model=model, args=arguments, train_dataset=data.train, data_collator=data.collator, callbacks=[Clock()],
        ).train()  # fmt: skip
    print(json.dumps(times))


def rate(times: dict[int, float]) -> float:
    """Steps a second, from the median time of a step.

    Args:
        times: when steps ended. The app's log leaves some out where steps are short: the time between two is shared.
    """
    known = [step for step in sorted(times) if step >= FIRST_STEP]
    return 1 / median((times[b] - times[a]) / (b - a) for a, b in pairwise(known))


def run_bare() -> float:
    code = "from tests.benchmarks.throughput import bare; bare()"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    return rate({int(step): moment for step, moment in json.loads(output.splitlines()[-1]).items()})


def events(folder: str) -> list[Path]:
    """The event log of the run, once there is one."""
    return list(Path(folder).glob("runs/*/events.jsonl"))


def run_app() -> float:
    """Open the app on a pty, start the default plan, and take the times of the steps from its event log."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "TERM": "xterm-256color", "FINETUNE_TUI_STATE": f"{folder}/state",
                       "PYTHONPATH": os.getcwd()}  # fmt: skip
        command = [sys.executable, "-m", "tui_finetune"]
        times: dict[int, float] = {}
        with Terminal(command, environment=environment, folder=Path(folder), columns=120, rows=36) as terminal:
            terminal.wait("starter")
            # The terminal is at the other end of a connection: its work must not take the training's cores.
            terminal.emulates = False
            terminal.press("ctrl+r")
            wait_for(lambda: any(b'"finished"' in path.read_bytes() for path in events(folder)), "it does not finish")
            for line in events(folder)[0].read_text().splitlines():
                event = json.loads(line)
                if event["type"] == "progress" and event["phase"] == "training":
                    times.setdefault(event["done"], event["time"])
            terminal.press("ctrl+q")
            terminal.status()
    return rate(times)


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    measured: dict[str, list[float]] = {"bare Trainer": [], "app open": []}
    for _ in range(runs):
        measured["bare Trainer"].append(run_bare())
        measured["app open"].append(run_app())
    print_ratios("Training rate with the app open", measured, "bare Trainer", "steps/s", "at least 0.98")


if __name__ == "__main__":
    main()
