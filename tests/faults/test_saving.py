"""What goes wrong while a run saves: the process killed, the disk full, the loss gone, the directory taken away."""

from __future__ import annotations

import random
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.programs import Programs, Running, wait_for
from tests.tiny import make_model, sentences, write_jsonl
from tui_finetune.runs.checkpoints import committed, newest_sound
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.summary import load_state

KILLS = 10
"""How often the everyday suite kills; `-m long` does it a hundred times."""


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunDirectory:
    monkeypatch.setenv("FINETUNE_TUI_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("FINETUNE_TUI_CACHE", str(tmp_path / "cache"))
    write_jsonl(tmp_path / "data.jsonl", sentences(60))
    return RunDirectory(tmp_path / "run")


@pytest.fixture
def train(programs: Programs, run: RunDirectory, model: Path) -> Callable[..., Running]:
    """Start a run that saves every second step; with `resume`, go on with it."""

    def begin(*arguments: str, resume: bool = False, before: str = "") -> Running:
        folder = run.path.parent
        if resume:
            return programs.start("resume", "run", folder=folder, before=before)
        return programs.start(
            "train",
            "--model",
            str(model),
            "--dataset",
            "data.jsonl",
            "--output_dir",
            "run",
            "--max_length",
            "64",
            "--logging_steps",
            "1",
            "--learning_rate",
            "1e-3",
            "--batch_size",
            "2",
            "--eval_strategy",
            "no",
            "--save_strategy",
            "steps",
            "--save_steps",
            "2",
            "--max_steps",
            "100000",
            *arguments,
            folder=folder,
            before=before,
        )

    return begin


def notices(run: RunDirectory) -> list[str]:
    return [told.notice.message for told in load_state(run).notices]


# The process is killed


def resumed_from(run: RunDirectory) -> int | None:
    return load_state(run).resumed_from


def kill_and_go_on(train: Callable[..., Running], run: RunDirectory, times: int) -> None:
    """Kill the trainer again and again; each time it goes on from the newest checkpoint, which is sound."""
    rng = random.Random(times)
    running = train()
    for number in range(times):
        step = load_state(run).step

        def going(number: int = number, step: int = step) -> bool:
            state = load_state(run)
            return state.starts == number + 1 and state.status == "running" and state.step != step

        wait_for(going, f"after {number} kills it takes no step")
        wait_for(lambda: committed(run.checkpoints_dir), "nothing is saved")
        time.sleep(rng.uniform(0, 0.3))  # where in a step or a save it hits is chance
        running.send(signal.SIGKILL)
        assert running.wait().status == 137

        newest = committed(run.checkpoints_dir)[-1]
        sound, unsound = newest_sound(run.checkpoints_dir)
        assert unsound == []
        assert sound == newest
        running = train(resume=True)

        def resumed(number: int = number) -> bool:
            return resumed_from(run) is not None and load_state(run).starts == number + 2

        wait_for(resumed, "it does not go on")
        assert resumed_from(run) == int(newest.name.removeprefix("checkpoint-"))
    wait_for(lambda: load_state(run).status == "running", "it does not go on")
    running.send(signal.SIGTERM)
    assert running.wait().status == 143
    assert load_state(run).status == "stopped"
    # What the kills left half done is gone.
    assert {path.name for path in run.checkpoints_dir.iterdir()} == {p.name for p in committed(run.checkpoints_dir)}


def test_fault_07_killed_at_any_moment_a_run_goes_on_from_its_newest_checkpoint(
    train: Callable[..., Running], run: RunDirectory
) -> None:
    kill_and_go_on(train, run, KILLS)


@pytest.mark.long
def test_fault_07_killed_a_hundred_times_a_run_goes_on_from_its_newest_checkpoint(
    train: Callable[..., Running], run: RunDirectory
) -> None:
    kill_and_go_on(train, run, 100)


# The disk is full

FULL_DISK = """
import torch
from tui_finetune.training.trainer import RunTrainer
from transformers.trainer import Trainer
full = {steps}
usual = Trainer._save_checkpoint
def save(self, *a, **k):
    if self.state.global_step in full:
        from pathlib import Path
        half = Path(self.args.output_dir) / f"checkpoint-{{self.state.global_step}}"
        half.mkdir(parents=True)
        (half / "model.safetensors").write_bytes(b"half of it")
        raise {error}
    return usual(self, *a, **k)
Trainer._save_checkpoint = save
"""


@pytest.mark.parametrize(
    "error",
    [
        "OSError(28, 'No space left on device')",
        "RuntimeError('[enforce fail at inline_container.cc:863] . PytorchStreamWriter failed writing file data/1')",
    ],
    ids=["of the system", "of torch"],
)
def test_fault_10_on_a_full_disk_the_training_goes_on_and_the_next_save_is_tried(
    train: Callable[..., Running], run: RunDirectory, error: str
) -> None:
    done = train("--max_steps", "10", before=FULL_DISK.format(steps={4, 6}, error=error)).wait()
    assert done.status == 0, done.err
    state = load_state(run)
    assert (state.status, state.step) == ("finished", 10)
    assert [saved.step for saved in state.checkpoints] == [2, 8, 10]
    told = [notice for notice in notices(run) if "could not be saved" in notice]
    assert [notice.split(" could")[0] for notice in told] == ["Step 4", "Step 6"]
    assert "free some space" in done.out
    assert newest_sound(run.checkpoints_dir)[1] == []
    assert not (run.checkpoints_dir / "checkpoint-4").exists()


FILES_AT_MOST = """
import resource
from tui_finetune.training.trainer import RunTrainer as T
save = T._save_checkpoint
def limited(self, *a, **k):
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    if self.state.global_step == 4:
        resource.setrlimit(resource.RLIMIT_FSIZE, ({most}, usual[1]))
    try:
        return save(self, *a, **k)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
T._save_checkpoint = limited
"""


@pytest.mark.parametrize("file", ["model.safetensors", "optimizer.pt"])
def test_fault_10_a_file_that_can_only_be_written_in_part(
    train: Callable[..., Running], run: RunDirectory, file: str
) -> None:
    # A bound on the size of files: the native writers of safetensors and torch meet a real error in mid-file.
    assert train("--max_steps", "4").wait().status == 0
    sizes = {path.name: path.stat().st_size for path in (run.checkpoints_dir / "checkpoint-4").iterdir()}
    shutil.rmtree(run.path)
    most = sizes[file] * 3 // 4
    assert train("--max_steps", "6", before=FILES_AT_MOST.format(most=most)).wait().status == 0
    assert [path.name for path in committed(run.checkpoints_dir)] == ["checkpoint-2", "checkpoint-6"]
    assert newest_sound(run.checkpoints_dir)[1] == []
    (told,) = [notice for notice in notices(run) if "could not be saved" in notice]
    assert told.startswith("Step 4")
    assert not (run.checkpoints_dir / "checkpoint-4").exists()


def test_fault_10_where_nothing_can_be_saved_the_end_is_a_plain_error(
    train: Callable[..., Running], run: RunDirectory
) -> None:
    full = FULL_DISK.format(steps=set(range(3, 100)), error="OSError(28, 'No space left on device')") + (
        "import tui_finetune.export.folder as f\n"
        "def export(*a, **k):\n    raise OSError(28, 'No space left on device')\n"
        "f.export = export\n"
    )
    done = train("--max_steps", "6", before=full).wait()
    assert done.status == 1
    assert [word for word in done.words if word in {"error", "hint"}] == ["error", "hint"]
    assert "No space left" in done.err
    assert "Traceback" not in done.out + done.err
    assert [path.name for path in committed(run.checkpoints_dir)] == ["checkpoint-2"]

    resumed = train(resume=True).wait()
    assert resumed.status == 0, resumed.err
    assert load_state(run).status == "finished"
    assert (run.final_dir / "model.safetensors").is_file()


# The loss is lost

NOT_FINITE = """
import torch
from tui_finetune.training.trainer import RunTrainer
from transformers.trainer import Trainer
usual = Trainer.compute_loss
def compute(self, *a, **k):
    loss = usual(self, *a, **k)
    return loss * float("{value}") if self.state.global_step == 5 else loss
Trainer.compute_loss = compute
"""


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_fault_17_a_loss_that_is_no_number_ends_the_run_with_the_last_good_checkpoint(
    train: Callable[..., Running], run: RunDirectory, value: str
) -> None:
    done = train(before=NOT_FINITE.format(value=value)).wait()
    assert done.status == 1
    assert [word for word in done.words if word in {"error", "hint"}] == ["error", "hint"]
    assert "finite" in done.err
    assert "learning_rate" in done.err
    state = load_state(run)
    assert (state.status, state.step) == ("failed", 5)
    sound, unsound = newest_sound(run.checkpoints_dir)
    assert sound is not None
    assert sound.name == "checkpoint-4"
    assert unsound == []

    resumed: Any = train(resume=True)
    wait_for(lambda: load_state(run).starts == 2 and load_state(run).step > 5, "it does not go on")
    resumed.send(signal.SIGTERM)
    assert resumed.wait().status == 143


# The directory is gone


def test_fault_12_a_run_whose_directory_is_taken_away_goes_on_and_says_so(
    train: Callable[..., Running], run: RunDirectory
) -> None:
    running = train("--max_steps", "60")
    wait_for(lambda: load_state(run).step >= 3, "no step")
    shutil.move(run.path, run.path.with_name("elsewhere"))
    done = running.wait()
    assert done.status in (0, 1)
    assert "Traceback" not in done.out + done.err
    assert str(run.path) in done.out + done.err
    # What was saved before is whole where it is now.
    assert newest_sound(run.path.with_name("elsewhere") / "checkpoints")[1] == []


def test_fault_12_a_run_whose_directory_is_gone_can_still_be_ended(
    train: Callable[..., Running], run: RunDirectory
) -> None:
    running = train()
    wait_for(lambda: load_state(run).step >= 3, "no step")
    shutil.rmtree(run.path.rename(run.path.with_name("gone")))
    running.send(signal.SIGTERM)
    done = running.wait()
    assert done.status in (1, 143)
    assert "Traceback" not in done.out + done.err
    assert "gone" in done.out + done.err
