"""The final model can't be written, or the process is killed while it is: what is resumed takes no step more (W1)."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from tests.programs import Programs, wait_for
from tests.training.compare import assert_same
from tests.training.conftest import Train
from tui_finetune.errors import UserError
from tui_finetune.export.folder import export
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.result import RunResult
from tui_finetune.runs.summary import load_state

# 60 texts packed to 64 tokens make some 38 rows, of which 34 are trained on.
RUNS: dict[str, dict[str, Any]] = {
    "constant rate": {"max_steps": 8, "lr_scheduler_type": "constant", "gradient_accumulation_steps": 1},
    "linear, accumulated": {"max_steps": 5, "gradient_accumulation_steps": 3},
    "a fraction of an epoch": {"num_train_epochs": 0.4, "lr_scheduler_type": "constant"},
    "epochs and a fraction": {"num_train_epochs": 1.6, "lr_scheduler_type": "constant", "eval_strategy": "epoch"},
    "whole epochs": {"num_train_epochs": 2, "lr_scheduler_type": "constant", "eval_strategy": "epoch"},
    "saved in mid-epoch": {
        "num_train_epochs": 1.5, "save_strategy": "steps", "save_steps": 1, "save_total_limit": 99,
        "lr_scheduler_type": "constant", "eval_strategy": "epoch",
    },
    "ended early": {
        "max_steps": 40, "learning_rate": 1.0, "lr_scheduler_type": "constant", "eval_strategy": "steps", "eval_steps": 1,
        "save_strategy": "steps", "save_steps": 1,
    },
}  # fmt: skip


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize("settings", RUNS.values(), ids=RUNS.keys())
def test_w1_after_a_full_disk_at_the_end_no_step_is_added(
    train: Train, place: Path, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[RunResult] = []

    def full(*arguments: Any, **options: Any) -> None:
        """Put aside what would have been written, then find the disk full."""
        export(*arguments, **options)
        made.append(options["made"].result)
        (place / "run" / "final").rename(place / "meant")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patches:
        patches.setattr("tui_finetune.training.finish.export", full)
        failed = train(**{"eval_strategy": "no", **settings})
    assert failed.outcome.status == "failed"
    before, losses, evals = (failed.state.step, failed.losses(), failed.eval_losses())
    resumed = train(resume=True)
    assert resumed.outcome.status == "finished", resumed.outcome.error
    same = ("step", "total_steps", "final_step", "best_step", "eval_loss", "early_stopped")
    assert [getattr(resumed.outcome, name) for name in same] == [getattr(made[0], name) for name in same]
    assert (resumed.state.step, resumed.losses(), resumed.eval_losses()) == (before, losses, evals)
    for name in ("model.safetensors", "config.json"):
        assert (resumed.run.final_dir / name).read_bytes() == (place / "meant" / name).read_bytes()


@pytest.mark.usefixtures("bare")
def test_w1_killed_in_the_evaluation_that_ends_an_epoch_it_is_evaluated_again(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tui_finetune.training.trainer import RunTrainer

    settings = {
        "num_train_epochs": 2, "save_strategy": "steps", "save_steps": 1, "save_total_limit": 99, "learning_rate": 1.0,
        "lr_scheduler_type": "constant",
    }  # fmt: skip
    whole = train("whole", **settings)
    usual = RunTrainer.evaluation_loop
    for number in (1,):
        count = 0

        def failing(self: Any, *a: Any, number: int = number, **k: Any) -> Any:
            nonlocal count
            count += 1
            if count == number:
                raise OSError(5, "Input/output error")
            return usual(self, *a, **k)

        with monkeypatch.context() as patches:
            patches.setattr(RunTrainer, "evaluation_loop", failing)
            assert train(f"at-{number}", **settings).outcome.status == "failed"
        resumed = train(f"at-{number}", resume=True)
        assert resumed.outcome.best_step == whole.outcome.best_step
        assert_same(resumed, whole)


HELD_IN_THE_EXPORT = """
import time
import tui_finetune.export.folder as folder
def held(*a, **k):
    time.sleep(600)
folder.draw_losses = held
"""


def test_w1_killed_in_the_final_export_the_resumed_run_ends_as_one_left_alone(
    programs: Programs, place: Path, models: Path
) -> None:
    settings = {
        "model": models / "llama", "dataset": "data.jsonl", "max_length": 64, "batch_size": 2, "max_steps": 8,
        "lr_scheduler_type": "constant", "gradient_accumulation_steps": 1, "eval_strategy": "no", "output_dir": "run",
    }  # fmt: skip
    arguments = [word for key, value in settings.items() for word in (f"--{key}", str(value))]
    running = programs.start("train", *arguments, folder=place, before=HELD_IN_THE_EXPORT)
    run = RunDirectory(place / "run")
    (draft,) = wait_for(lambda: list(run.path.glob(".final-*/tokenizer_config.json")), "no final model is begun")
    meant = (draft.parent / "model.safetensors").read_bytes()
    running.send(signal.SIGKILL)
    running.wait()
    resumed = programs.run("resume", "run", folder=place)
    assert resumed.status == 0, resumed.err
    state = load_state(run)
    assert (state.status, state.step, state.total_steps) == ("finished", 8, 8)
    assert (run.path / "final" / "model.safetensors").read_bytes() == meant
    assert not list(run.path.glob(".final-*"))


@pytest.mark.usefixtures("bare")
def test_d3_a_run_is_resumed_into_no_folder_of_somebody_else(train: Train, place: Path) -> None:
    (place / "precious").mkdir()
    (place / "precious" / "thesis.tex").write_text("mine")
    settings = {"max_steps": 1, "eval_strategy": "no", "final_model_dir": str(place / "model")}
    first = train(**settings)
    assert first.outcome.status == "finished"
    before = first.run.events_path.read_bytes()
    with pytest.raises(UserError, match="not empty"):
        train(resume=True, changes={"max_steps": 2, "final_model_dir": str(place / "precious")})
    assert first.run.events_path.read_bytes() == before
    assert (place / "precious" / "thesis.tex").read_text() == "mine"
    (place / "model" / "notes.md").write_text("mine too")
    assert train("other", **settings).outcome.status == "failed"
    assert train(resume=True, changes={"max_steps": 2}).outcome.status == "finished"
    assert (place / "model" / "notes.md").read_text() == "mine too"
    assert (place / "model" / "model.safetensors").is_file()
