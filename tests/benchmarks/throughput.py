"""Training rate with the app open, against the same Trainer run bare.

    python -m tests.benchmarks.throughput [RUNS] [TURNS] [SECONDS]

The starter is trained on sea-tales, with the settings that suit it, by plain transformers.Trainer in a process of its own,
and by the app on a pty of 120x36 whose output is read and thrown away. Both are there all the time and take turns: while
one trains the other is stopped by the kernel. So whatever else the machine does slows both down alike, and each turn of
the app is compared with those of the bare Trainer before and after it. Neither evaluates or saves. A run's ratio is the
median of its turns'; as two processes that do the same may differ by some percent for all their life, there are several.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median

from tests.benchmarks.tables import print_ratios
from tests.events import raw_events
from tests.programs import wait_for
from tests.pty.conftest import Machine
from tui_finetune.config.resolve import MODEL_SETTINGS_FILE
from tui_finetune.starter.paths import MODEL

ENDLESS = "eval_strategy: no\nsave_strategy: no\nmax_steps: 1000000\n"
WARM_UP_STEPS = 20
SETTLING_SECONDS = 1.0
"""What is left out at the beginning of a turn: caches fill again, and the app draws its whole screen."""

Mark = tuple[float, int]
"""When so many steps were done, in Unix seconds."""


def bare(name: str, path: str) -> None:
    """Train a model with plain Trainer, for ever, and write the time of each step to a file. Run in a process of its own."""
    from transformers import Trainer, TrainerCallback, TrainerState

    from tui_finetune.config.resolve import resolve
    from tui_finetune.data.open import open_dataset
    from tui_finetune.data.prepare import prepare
    from tui_finetune.models.catalog import model_settings
    from tui_finetune.models.loading import load_model, load_tokenizer
    from tui_finetune.models.located import locate
    from tui_finetune.training.arguments import training_arguments
    from tui_finetune.training.packing.attention import attention_by_document

    config = resolve({"model": name}, model_settings=model_settings(name)).config
    located = locate(config.model_name_or_path)
    tokenizer = load_tokenizer(located)
    data = prepare(open_dataset(config), config, tokenizer, config.max_length or 512)
    model = load_model(located, tokenizer=tokenizer)
    file = open(path, "w", buffering=1)  # noqa: SIM115 - as long as the process is there

    class Clock(TrainerCallback):
        def on_step_end(self, args: object, state: TrainerState, control: object, **kwargs: object) -> None:
            file.write(f"{time.time()} {state.global_step}\n")

    # By document as in the app: the attention is not what is compared.
    with tempfile.TemporaryDirectory() as folder, attention_by_document():
        arguments = training_arguments(config, Path(folder), precision="fp32", evaluates=False)
        Trainer(
            model=model,
            args=arguments,
            train_dataset=data.train,
            data_collator=data.collator,
            callbacks=[Clock()],
        ).train()


class Contestant:
    """One that trains in turns.

    Args:
        processes: its processes; the last is the one that trains.
        marks: gives all the steps it has done so far.
    """

    def __init__(self, processes: Sequence[int], marks: Callable[[], list[Mark]]) -> None:
        self._processes = processes
        self._marks = marks

    def stop(self) -> None:
        os.kill(self._processes[-1], signal.SIGSTOP)

    def turn(self, seconds: float) -> float:
        """Let it train so long; returns its steps a second."""
        for process in self._processes:
            os.kill(process, signal.SIGCONT)
        began = time.time() + SETTLING_SECONDS
        time.sleep(SETTLING_SECONDS + seconds)
        self.stop()
        marks = [mark for mark in self._marks() if mark[0] >= began]
        (first, step), (last, end) = marks[0], marks[-1]
        return (end - step) / (last - first)


def bare_trainer(machine: Machine) -> Contestant:
    """Plain Trainer, warmed up and stopped."""
    path = machine.folder / "steps"
    code = f"from tests.benchmarks.throughput import bare; bare('tiny', {str(path)!r})"
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env=machine.environment,
        cwd=machine.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def marks() -> list[Mark]:
        lines = path.read_text().splitlines() if path.exists() else []
        return [(float(moment), int(step)) for moment, step in map(str.split, lines)]

    wait_for(lambda: len(marks()) > WARM_UP_STEPS, "the bare Trainer does not train")
    contestant = Contestant([process.pid], marks)
    contestant.stop()
    return contestant


def open_app(machine: Machine) -> Contestant:
    """The app with a run that it has begun, warmed up and stopped."""
    terminal = machine.training(columns=120, rows=36)
    # The terminal is at the other end of a connection: its work must not take the training's cores.
    terminal.emulates = False

    def marks() -> list[Mark]:
        return [
            (float(event["time"]), int(event["done"]))
            for event in raw_events(machine.run.events_path)
            if event["type"] == "progress" and event["phase"] == "training"
        ]

    wait_for(lambda: any(step > WARM_UP_STEPS for _, step in marks()), "the app does not train")
    contestant = Contestant([terminal.process.pid, machine.trainer().pid], marks)
    contestant.stop()
    return contestant


def compare(turns: int, seconds: float) -> tuple[list[float], list[float]]:
    """One run: steps a second of the bare Trainer, in one turn more than the app's, and of the app."""
    with tempfile.TemporaryDirectory() as base:
        machine = Machine(Path(base), MODEL)
        machine.suit((MODEL / MODEL_SETTINGS_FILE).read_text() + ENDLESS)
        machine.environment.pop("OMP_NUM_THREADS")  # all cores, as users have it
        try:
            trainer, app = bare_trainer(machine), open_app(machine)
            rates: tuple[list[float], list[float]] = ([trainer.turn(seconds)], [])
            for _ in range(turns):
                rates[1].append(app.turn(seconds))
                rates[0].append(trainer.turn(seconds))
        finally:
            machine.close()
    return rates


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    turns = int(sys.argv[2]) if len(sys.argv) > 2 else 8
    seconds = float(sys.argv[3]) if len(sys.argv) > 3 else 3.0
    measured: dict[str, list[float]] = {"bare Trainer": [], "app open": []}
    ratios = []
    for _ in range(runs):
        bare_rates, app_rates = compare(turns, seconds)
        beside = [(before + after) / 2 for before, after in pairwise(bare_rates)]
        ratios.append(median(rate / bare_rate for rate, bare_rate in zip(app_rates, beside, strict=True)))
        measured["bare Trainer"].append(median(bare_rates))
        measured["app open"].append(median(app_rates))
    print_ratios("Training rate with the app open", measured, "bare Trainer", "steps/s", "at least 0.98")
    each = ", ".join(f"{ratio:.3f}" for ratio in ratios)
    print(f"  By turns, run by run: {each}; their median {median(ratios):.3f}")


if __name__ == "__main__":
    main()
