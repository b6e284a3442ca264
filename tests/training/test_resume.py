"""Stopped and resumed, a run ends bitwise as one that was never stopped."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.training.compare import assert_same
from tests.training.conftest import Train
from tui_finetune.runs import checkpoints

# 60 texts packed to 64 tokens in batches of 2 x 2 make some 9 steps an epoch, two epochs, with dropout and shuffling.
SETTINGS = {
    "gradient_accumulation_steps": 2, "num_train_epochs": 2, "logging_steps": 2, "save_total_limit": 9,
    "early_stopping_patience": 3,
}  # fmt: skip


def _stop(run):
    run.request("stop")


@pytest.mark.parametrize("architecture", ["gpt2", "llama"])
def test_every_stop_is_exact(architecture: str, train: Train, models: Path) -> None:
    model = str(models / architecture)
    whole = train("whole", model_name_or_path=model, **SETTINGS)
    assert whole.outcome.status == "finished"
    steps = whole.state.total_steps
    epoch = steps // 2
    for step in (1, 3, 4, epoch - 1, epoch, epoch + 1, steps - 1):
        stopped = train(f"at-{step}", model_name_or_path=model, at={step: _stop}, **SETTINGS)
        assert stopped.outcome.status == "stopped"
        assert stopped.outcome.checkpoint_step == step
        resumed = train(f"at-{step}", resume=True)
        assert resumed.outcome.status == "finished"
        assert_same(resumed, whole)


def test_every_stop_is_exact_with_early_stopping_and_the_best_model(train: Train) -> None:
    # The learning rate is so high that it soon gets worse: the run ends early, and the best model is an earlier one.
    settings = {
        "max_steps": 40,
        "gradient_accumulation_steps": 2,
        "learning_rate": 1.0,
        "lr_scheduler_type": "constant",
        "eval_strategy": "steps",
        "eval_steps": 2,
        "early_stopping_patience": 2,
    }
    whole = train("whole", **settings)
    end = whole.outcome
    assert end.early_stopped
    assert end.final_step == end.best_step < end.step
    stops = range(1, end.step)
    assert len(stops) >= 5
    for step in stops:
        assert train(f"at-{step}", at={step: _stop}, **settings).outcome.status == "stopped"
        resumed = train(f"at-{step}", resume=True)
        assert_same(resumed, whole)
        same = ("early_stopped", "step", "final_step", "best_step", "eval_loss")
        assert [getattr(resumed.outcome, name) for name in same] == [getattr(end, name) for name in same]


def test_every_stop_is_exact_with_padded_rows(train: Train) -> None:
    settings = {
        "packing": False,
        "max_steps": 6,
        "gradient_accumulation_steps": 3,
        "logging_steps": 4,
        "eval_strategy": "no",
        "lr_scheduler_type": "cosine",
        "warmup_steps": 2,
    }
    whole = train("whole", **settings)
    for step in (2, 5):
        train(f"at-{step}", at={step: _stop}, **settings)
        assert_same(train(f"at-{step}", resume=True), whole)


def test_stopping_twice_is_exact(train: Train) -> None:
    whole = train("whole", **SETTINGS)
    train("twice", at={2: _stop}, **SETTINGS)
    train("twice", resume=True, at={5: _stop})
    assert_same(train("twice", resume=True), whole)


def test_what_is_asked_for_on_the_side_changes_nothing(train: Train) -> None:
    whole = train("whole", **SETTINGS)

    def ask(run):
        for action in ("evaluate", "sample", "save"):
            run.request(action)

    asked = train("asked", at={2: ask, 5: ask}, **SETTINGS)
    types = [event["type"] for event in asked.events]
    assert types.count("sample") == 2
    assert {saved.step for saved in asked.state.checkpoints} >= {2, 5}
    extra = [event for event in asked.events if event.get("asked_for") and not event.get("before_training")]
    assert [event["step"] for event in extra] == [2, 5]
    assert asked.losses() == whole.losses()
    final = [load_file(t.run.final_dir / "model.safetensors") for t in (asked, whole)]
    assert all(torch.equal(final[0][name], final[1][name]) for name in final[1])


def test_fault_13_a_damaged_checkpoint_is_passed_over_for_the_one_before(train: Train) -> None:
    whole = train("whole", **SETTINGS)
    broken = train("broken", at={2: lambda run: run.request("save"), 4: _stop}, **SETTINGS)
    newest = checkpoints.committed(broken.run.checkpoints_dir)[-1]
    data = bytearray((newest / "optimizer.pt").read_bytes())
    data[len(data) // 2] ^= 1
    (newest / "optimizer.pt").write_bytes(data)
    resumed = train("broken", resume=True)
    words = [event["message"] for event in resumed.events if event["type"] == "notice"]
    assert any("checkpoint-4 is damaged" in text and "optimizer.pt" in text for text in words)
    assert any(event.get("resumed_from") == 2 for event in resumed.events)
    assert_same(resumed, whole)


def test_fault_14_with_every_checkpoint_damaged_it_refuses(train: Train) -> None:
    broken = train("broken", at={2: _stop}, **SETTINGS)
    for checkpoint in checkpoints.committed(broken.run.checkpoints_dir):
        (checkpoint / "model.safetensors").write_bytes(b"")
    resumed = train("broken", resume=True)
    assert resumed.outcome.status == "failed"
    assert "every checkpoint" in resumed.outcome.error.message
    assert "model.safetensors" in resumed.outcome.error.message


def test_other_data_is_refused_on_resume(train: Train, place: Path) -> None:
    from tests.tiny import sentences, write_jsonl

    train("moved", at={2: _stop}, **SETTINGS)
    write_jsonl(place / "data.jsonl", sentences(61, seed=8))
    resumed = train("moved", resume=True)
    assert resumed.outcome.status == "failed"
    assert "data" in resumed.outcome.error.message


def test_fault_21_a_run_that_was_moved_goes_on_and_finds_its_best(train: Train, place: Path) -> None:
    from tui_finetune.runs.directory import RunDirectory

    whole = train("whole", **SETTINGS)
    train("before", at={whole.state.total_steps - 1: _stop}, **SETTINGS)
    (place / "before").rename(place / "after")
    resumed = train("after", resume=True)
    assert resumed.outcome.status == "finished"
    assert resumed.outcome.final_dir == str(RunDirectory(place / "after").path / "final")
    assert_same(resumed, whole)


def test_a_manifest_lists_every_file_and_no_pickle_of_arguments(train: Train) -> None:
    run = train("whole", **SETTINGS).run
    for checkpoint in checkpoints.committed(run.checkpoints_dir):
        manifest = checkpoints.verify(checkpoint)
        present = {str(p.relative_to(checkpoint)) for p in checkpoint.rglob("*") if p.is_file()}
        assert present == set(manifest.files) | {"manifest.json"}
        assert not (checkpoint / "training_args.bin").exists()
        assert json.loads((checkpoint / "manifest.json").read_text())["step"] == checkpoints.step_of(checkpoint)
