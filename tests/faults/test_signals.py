"""Signals to a headless run, at moments that are hard to hit: in a step, in each phase, in a save (faults 2, 4, 5, 6).

A hook holds the run there until it is let go on, so that nothing here depends on how fast the machine is.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.programs import Programs, Running, wait_for
from tui_finetune.runs.checkpoints import committed, newest_sound, step_of
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.summary import load_state

Start = Callable[..., Running]

HELD = """
import time
from pathlib import Path
def hold(report=None):
    Path("held").touch()
    while not Path("go").exists():
        time.sleep(0.01)
        if report is not None:
            report(0, None, "rows")
"""
"""`hold()` waits for the file `go`, and on the way tells its progress, which is where a stop is seen."""

IN_A_STEP = (
    HELD
    + """
from tui_finetune.training.trainer import RunTrainer as T
step = T.training_step
def held(self, *a, **k):
    if self.state.global_step == 2:
        hold()
    return step(self, *a, **k)
T.training_step = held
"""
)

IN_A_SAVE = (
    HELD
    + """
from transformers import Trainer as T
save = T._save_checkpoint
def held(self, *a, **k):
    save(self, *a, **k)
    if self.state.global_step == 2:
        hold()
T._save_checkpoint = held
"""
)

IN_AN_EVALUATION = (
    HELD
    + """
from transformers import Trainer as T
step = T.prediction_step
def held(self, *a, **k):
    hold()
    return step(self, *a, **k)
T.prediction_step = held
"""
)


def held_in(module: str, function: str) -> str:
    """Code that holds a run where it calls a function with `report`."""
    return HELD + (
        f"import {module} as m\nusual = m.{function}\n"
        f"def held(*a, report=None, **k):\n"
        f"    hold(report or next((x for x in a if callable(x) and not hasattr(x, 'pad')), None))\n"
        f"    return usual(*a, report=report, **k) if report else usual(*a, **k)\n"
        f"m.{function} = held\n"
    )


@pytest.fixture
def start(programs: Programs, place: Path, models: Path) -> Start:
    def begin(before: str, *arguments: str) -> Running:
        running = programs.start(
            "train",
            "--model",
            str(models / "llama"),
            "--dataset",
            "data.jsonl",
            "--output_dir",
            "run",
            "--max_length",
            "64",
            "--batch_size",
            "2",
            "--max_steps",
            "100000",
            "--eval_strategy",
            "no",
            "--logging_steps",
            "1",
            *arguments,
            folder=place,
            before=before,
        )
        wait_for((place / "held").exists, "it does not come there")
        return running

    return begin


@pytest.fixture
def run(place: Path) -> RunDirectory:
    return RunDirectory(place / "run")


def assert_saved(run: RunDirectory, step: int) -> None:
    state = load_state(run)
    assert (state.status, state.step) == ("stopped", step)
    newest, unsound = newest_sound(run.checkpoints_dir)
    assert newest is not None
    assert (step_of(newest), unsound) == (step, [])
    assert (run.final_dir / "model.safetensors").is_file()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_fault_02_a_signal_costs_no_more_than_the_step_it_comes_in(
    start: Start, run: RunDirectory, place: Path, number: int, status: int
) -> None:
    running = start(IN_A_STEP)
    running.send(number)
    wait_for(lambda: "stopping: finishing the step and saving" in running.out, "it is not acknowledged")
    (place / "go").touch()
    assert running.wait().status == status
    assert_saved(run, 3)


def test_fault_04_a_signal_to_the_whole_group_is_one_signal(start: Start, run: RunDirectory, place: Path) -> None:
    running = start(IN_A_STEP)
    running.send(signal.SIGINT, group=True)
    wait_for(lambda: "stopping: finishing the step and saving" in running.out, "it is not acknowledged")
    (place / "go").touch()
    done = running.wait()
    assert done.status == 130
    assert "once more ends at once" not in done.out
    assert_saved(run, 3)


@pytest.mark.parametrize(
    ("phase", "before"),
    [
        ("loading_data", held_in("tui_finetune.data.open", "open_dataset")),
        ("preparing_data", held_in("tui_finetune.data.prepare", "prepare")),
        ("loading_model", held_in("tui_finetune.models.loading", "load_model")),
    ],
)
def test_fault_05_a_signal_before_the_first_step_ends_it_there(
    start: Start, run: RunDirectory, place: Path, phase: str, before: str
) -> None:
    running = start(before)
    assert load_state(run).phase == phase
    running.send(signal.SIGTERM)
    # It is never let go on: that it ends shows that it was seen right there.
    assert running.wait().status == 143
    assert load_state(run).status == "stopped"
    assert committed(run.checkpoints_dir) == []


def test_fault_05_a_signal_in_an_evaluation_is_told_and_obeyed(start: Start, run: RunDirectory, place: Path) -> None:
    running = start(IN_AN_EVALUATION, "--eval_strategy", "steps", "--eval_steps", "2", "--eval_on_start", "false")
    running.send(signal.SIGTERM)
    wait_for(lambda: "stopping: finishing the step and saving" in running.out, "it is not acknowledged")
    (place / "go").touch()
    assert running.wait().status == 143
    assert_saved(run, 2)


def test_fault_05_a_signal_in_a_save_is_told_at_once(start: Start, run: RunDirectory, place: Path) -> None:
    running = start(IN_A_SAVE, "--save_strategy", "steps", "--save_steps", "2")
    running.send(signal.SIGTERM)
    wait_for(lambda: "stopping: finishing the step and saving" in running.out, "it is not acknowledged")
    assert committed(run.checkpoints_dir) == []
    (place / "go").touch()
    assert running.wait().status == 143
    assert_saved(run, 3)


def test_fault_06_five_signals_in_a_save_leave_it_whole(start: Start, run: RunDirectory, place: Path) -> None:
    running = start(IN_A_SAVE, "--save_strategy", "steps", "--save_steps", "2")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGINT, signal.SIGTERM, signal.SIGTERM):
        running.send(number)
    wait_for(lambda: "stopping: finishing the step and saving" in running.out, "it is not acknowledged")
    (place / "go").touch()
    assert running.wait().status in (130, 143)
    assert_saved(run, 3)
    assert [saved.step for saved in load_state(run).checkpoints] == [2, 3]
