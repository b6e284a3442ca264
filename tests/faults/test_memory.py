"""The device's memory is full (fault 18): what is advised keeps the result, and going on with it works."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.programs import Programs
from tests.training.conftest import Trained
from tui_finetune.config.schema import RunConfig
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.summary import load_state
from tui_finetune.training.memory import memory_remedies
from tui_finetune.training.trainer import RunTrainer

Train = Callable[..., Trained]


def too_small(monkeypatch: pytest.MonkeyPatch, method: str, at: int, rows: int) -> None:
    """A device that can't compute so many rows at once, from a step on."""
    usual = getattr(RunTrainer, method)

    def computed(self: RunTrainer, model: Any, inputs: Any, *arguments: Any, **options: Any) -> Any:
        if self.state.global_step >= at and len(inputs["input_ids"]) >= rows:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return usual(self, model, inputs, *arguments, **options)

    monkeypatch.setattr(RunTrainer, method, computed)


def test_fault_18_out_of_memory_goes_on_with_half_the_batch(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    too_small(monkeypatch, "training_step", at=4, rows=2)
    full = train("run", max_steps=6, save_strategy="steps", save_steps=2)
    assert full.outcome.status == "failed"
    error = full.outcome.error
    assert "memory is full" in error.message
    command = "`finetune-tui resume run --per_device_train_batch_size 1 --gradient_accumulation_steps 4`"
    assert error.remedy.startswith(command)
    remedies = full.state.result.remedies
    assert remedies == full.outcome.remedies
    assert remedies[1].changes == {"gradient_checkpointing": True}

    resumed = train("run", resume=True, changes=remedies[0].changes)
    assert resumed.outcome.status == "finished", resumed.outcome.error
    assert any(event.get("resumed_from") == 4 for event in resumed.events)
    told = "Resuming with per_device_train_batch_size 1, gradient_accumulation_steps 4."
    assert told in [event.get("message") for event in resumed.events]
    assert [step for step, _ in resumed.losses()] == [1, 2, 3, 4, 5, 6]


def test_fault_18_out_of_memory_in_the_first_step_begins_again(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    too_small(monkeypatch, "training_step", at=0, rows=2)
    full = train("run", max_steps=2)
    assert full.outcome.status == "failed"
    resumed = train("run", resume=True, changes=full.state.result.first_changes)
    assert resumed.outcome.status == "finished", resumed.outcome.error
    assert resumed.run.read_config().per_device_train_batch_size == 1


def test_fault_18_out_of_memory_in_an_evaluation_evaluates_fewer_rows(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    too_small(monkeypatch, "prediction_step", at=2, rows=3)
    full = train("run", max_steps=4, eval_strategy="steps", eval_steps=2, per_device_eval_batch_size=4)
    assert full.outcome.status == "failed"
    changes = full.state.result.first_changes
    assert changes == {"per_device_eval_batch_size": 2}
    assert train("run", resume=True, changes=changes).outcome.status == "finished"


@pytest.mark.parametrize(
    ("rows", "batches", "fewer", "more"), [(8, 2, 4, 4), (6, 1, 3, 2), (9, 2, 3, 6), (5, 1, 1, 5), (2, 3, 1, 6)]
)
def test_fault_18_the_effective_batch_is_kept(rows: int, batches: int, fewer: int, more: int) -> None:
    config = RunConfig(per_device_train_batch_size=rows, gradient_accumulation_steps=batches)
    first = memory_remedies(torch.OutOfMemoryError(), config)[0]
    assert first.changes == {"per_device_train_batch_size": fewer, "gradient_accumulation_steps": more}


def test_fault_18_what_has_been_done_already_is_not_advised() -> None:
    config = RunConfig(per_device_train_batch_size=1, gradient_checkpointing=True)
    (last,) = memory_remedies(MemoryError(), config)
    assert last.changes == {}
    assert memory_remedies(RuntimeError("something else"), config) == []


def test_fault_18_the_command_that_is_advised_works(
    programs: Programs, train: Train, place: Path, models: Path
) -> None:
    full = (
        "import torch\nfrom tui_finetune.training.trainer import RunTrainer as T\nstep = T.training_step\n"
        "def full(self, model, inputs, *a, **k):\n"
        "    if len(inputs['input_ids']) > 1: raise torch.OutOfMemoryError('CUDA out of memory')\n"
        "    return step(self, model, inputs, *a, **k)\n"
        "T.training_step = full\n"
    )
    done = programs.run(
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
        "2",
        folder=place,
        before=full,
    )
    assert (done.status, done.words) == (1, ["error", "hint"])
    assert "Traceback" not in done.out + done.err
    command = done.err.split("`")[1].split()
    assert command[:3] == ["finetune-tui", "resume", "run"]
    again = programs.run(*command[1:], folder=place, before=full)
    assert again.status == 0, again.err
    assert load_state(RunDirectory(place / "run")).status == "finished"
