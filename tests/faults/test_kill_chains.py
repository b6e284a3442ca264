"""Runs that are killed with -9 again and again, wherever it hits them, end bitwise as those that are left alone."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.programs import Programs, Running
from tui_finetune.runs.checkpoints import committed, newest_sound
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.summary import load_state

EVERY_DAY, LONG = 4, 200
"""Kills."""

RUNS = (
    {"max_steps": 9, "lr_scheduler_type": "constant", "gradient_accumulation_steps": 1, "eval_strategy": "no"},
    {"num_train_epochs": 1.6, "gradient_accumulation_steps": 2, "eval_strategy": "epoch"},
    {"num_train_epochs": 0.7, "lr_scheduler_type": "constant", "gradient_accumulation_steps": 3, "eval_strategy": "no"},
    {"max_steps": 8, "gradient_accumulation_steps": 3, "eval_strategy": "steps", "eval_steps": 3},
)
"""What a killed run is; all are saved at every step, so that they prune and start often."""

HELD = {
    "start": "import tui_finetune.training.session as m\nm.TrainingSession._tell_start = slow(m.TrainingSession._tell_start)",
    "save": "import tui_finetune.runs.checkpoints as m\nm.commit = slow(m.commit)",
    "prune": "import tui_finetune.runs.checkpoints as m\nm.prune = slow(m.prune)",
    "remove": "import shutil as m\nm.rmtree = slow(m.rmtree)",
    "step": "from tui_finetune.training.trainer import RunTrainer as m\nm.training_step = slow(m.training_step)",
    "evaluation": "from tui_finetune.training.trainer import RunTrainer as m\nm.evaluation_loop = slow(m.evaluation_loop)",
    "export": "import tui_finetune.export.folder as m\nm.sync_file = slow(m.sync_file)",
    "replacement": "import tui_finetune.export.folder as m\nm._replace = slow(m._replace)",
}
"""Where a run is slowed, so that a kill at a random moment hits it there."""

SLOW = """
import time
from pathlib import Path
def slow(call):
    def slowed(*a, **k):
        Path("here").touch()
        time.sleep({before})
        result = call(*a, **k)
        time.sleep({after})
        return result
    return slowed
"""


@pytest.fixture
def start(programs: Programs, place: Path, models: Path) -> Callable[..., Running]:
    def begin(name: str, settings: dict[str, object], *, resume: bool = False, before: str = "") -> Running:
        if resume:
            return programs.start("resume", name, folder=place, before=before)
        settings = {
            "model": models / "llama", "dataset": "data.jsonl", "max_length": 64, "batch_size": 2, "learning_rate": 1e-3,
            "logging_steps": 2, "save_strategy": "steps", "save_steps": 1, "output_dir": name, **settings,
        }  # fmt: skip
        arguments = [word for key, value in settings.items() for word in (f"--{key}", str(value))]
        return programs.start("train", *arguments, folder=place, before=before)

    return begin


def kill_until_done(
    start: Callable[..., Running], place: Path, settings: dict[str, object], name: str, rng: random.Random, most: int
) -> list[str]:
    """Kill a run up to so many times, each time while it does something else; gives what it was doing. It is finished then."""
    run = RunDirectory(place / name)
    kills: list[str] = []
    here = place / "here"
    for _ in range(most):
        doing = rng.choice(list(HELD))
        before = SLOW.format(before=rng.choice([0, 0.02]), after=rng.choice([0, 0.02])) + HELD[doing]
        here.unlink(missing_ok=True)
        resume = bool(load_state(run).starts)
        if not resume and run.path.exists():
            name = f"{name}-"  # killed before it was one: nothing to resume, and nothing to lose
            run = RunDirectory(place / name)
        running = start(name, settings, resume=resume, before=before)
        # A run that ends is no longer live; before it is, it imports.
        end, patience = time.monotonic() + 120, rng.choice([0, 1, 3])
        while not here.exists() and load_state(run, brief=True).status != "finished" and time.monotonic() < end:
            time.sleep(0.005)
        time.sleep(rng.uniform(0, 0.04) + patience * 0.05)
        running.send(signal.SIGKILL)
        if running.wait().status == 137:
            kills.append(doing)
        assert newest_sound(run.checkpoints_dir)[1] == []
        if load_state(run).status == "finished":
            break
    if load_state(run).status != "finished":
        done = start(name, settings, resume=bool(load_state(run).starts)).wait()
        assert done.status == 0, done
    final = place / "killed"
    run.path.rename(final)
    return kills


def chains(start: Callable[..., Running], place: Path, times: int, seed: int) -> list[str]:
    rng, number = random.Random(seed), 0
    kills: list[str] = []
    left_alone: dict[int, RunDirectory] = {}
    while len(kills) < times:
        which = number % len(RUNS)
        settings = {**RUNS[which], "save_total_limit": 2}
        if which not in left_alone:
            left_alone[which] = RunDirectory(place / f"alone-{which}")
            assert start(f"alone-{which}", settings).wait().status == 0
        kills += kill_until_done(start, place, settings, f"run-{number}", rng, min(times - len(kills), 12))
        one, other = RunDirectory(place / "killed"), left_alone[which]
        assert (load_state(one).step, load_state(one).status) == (load_state(other).step, "finished"), kills
        weights = "final/model.safetensors"
        assert (one.path / weights).read_bytes() == (other.path / weights).read_bytes(), (number, kills)
        newest = [committed(run.checkpoints_dir)[-1] / "model.safetensors" for run in (one, other)]
        assert newest[0].read_bytes() == newest[1].read_bytes(), (number, kills)
        assert list(load_state(one).losses) == list(load_state(other).losses), (number, kills)
        assert list(load_state(one).eval_losses) == list(load_state(other).eval_losses), (number, kills)
        one.path.rename(place / f"done-{number}")
        number += 1
        (place / "count").write_text(f"{len(kills)} kills, {number} runs\n")
    return kills


def test_killed_in_chains_a_run_ends_as_one_left_alone(start: Callable[..., Running], place: Path) -> None:
    assert len(chains(start, place, EVERY_DAY, seed=1)) >= EVERY_DAY


@pytest.mark.long
def test_killed_two_hundred_times_runs_end_as_those_left_alone(start: Callable[..., Running], place: Path) -> None:
    kills = chains(start, place, LONG, seed=2)
    assert {"start", "save", "prune", "export", "step"} <= set(kills)
    print(f"{len(kills)} kills, no difference")
