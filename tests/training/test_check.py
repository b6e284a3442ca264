"""The check before training: what it finds, what it leaves, and that the run is the same with and without it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.events import raw_events
from tests.training.conftest import Train, Trained
from tui_finetune.models import devices
from tui_finetune.models.devices import cpu_facts
from tui_finetune.training import check


def test_the_run_is_bitwise_the_same(train: Train) -> None:
    settings: dict[str, Any] = {"max_steps": 4, "method": "lora", "lora_dropout": 0.1, "packing": False, "seed": 3}
    with_check = train("with", check_before_training=True, **settings)
    without = train("without", check_before_training=False, **settings)
    assert with_check.state.checked is not None
    assert without.state.checked is None
    assert with_check.losses() == without.losses() != []
    assert with_check.eval_losses() == without.eval_losses()
    name = with_check.state.checkpoints[-1].path
    for file in ("adapter_model.safetensors",):
        saved, alone = (load_file(trained.run.path / name / file) for trained in (with_check, without))
        assert all(torch.equal(saved[key], alone[key]) for key in saved)
    states = [torch.load(t.run.path / name / "rng_state.pth", weights_only=False) for t in (with_check, without)]
    assert torch.equal(states[0]["cpu"], states[1]["cpu"])
    assert states[0]["python"] == states[1]["python"]


def test_it_tells_what_it_measured_and_leaves_nothing_behind(train: Train) -> None:
    trained = train(max_steps=1, eval_strategy="no")
    (event,) = [event for event in raw_events(trained.run.events_path) if event["type"] == "check"]
    assert event["batch_tokens"] == 2 * 64  # the longest rows there are
    assert 0 < event["batch_seconds"] < 2
    assert event["estimated"] > 0
    assert 0 < event["needed"] <= event["usable"]
    assert event["disk"] < event["disk_free"]
    assert not (trained.run.checkpoints_dir / check.PIECE).exists()
    assert any(line.words.startswith("Checked: needs ") for line in trained.state.story)


def small_memory(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    facts = replace(cpu_facts(), free=free)
    monkeypatch.setattr(devices, "device_facts", lambda: facts)
    monkeypatch.setattr("tui_finetune.training.memory.own_memory", lambda: 0)


def test_a_run_that_can_not_fit_ends_before_its_model_is_loaded(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    small_memory(monkeypatch, 100_000_000)
    trained = train()
    assert trained.outcome.status == "failed"
    assert "of memory, and 95.0 MB are usable" in trained.outcome.reason
    assert "a new run with" in trained.outcome.remedy
    assert not trained.outcome.began
    assert [event["phase"] for event in raw_events(trained.run.events_path) if event["type"] == "phase"][-1] == (
        "preparing_data"
    )


def test_what_is_measured_counts_more_than_the_formula(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    usable = int(cpu_facts().free * 0.9)
    monkeypatch.setattr(check, "peak_memory", lambda: usable * 2)
    trained = train(per_device_train_batch_size=4, gradient_accumulation_steps=1)
    assert trained.outcome.status == "failed"
    assert trained.outcome.reason.startswith("the run needs ")
    assert not trained.outcome.began


def test_a_batch_that_was_chosen_is_made_smaller_where_it_does_not_fit(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = cpu_facts().free
    tried: list[int] = []

    def measured(kind: str) -> int:
        tried.append(kind == "cpu")
        return free * 2 if len(tried) == 1 else 1_000_000

    monkeypatch.setattr(check, "_measured", measured)
    trained = train(per_device_train_batch_size="auto", gradient_accumulation_steps="auto", max_steps=2)
    assert trained.outcome.status == "finished", trained.outcome.reason
    config = trained.run.read_config()
    notice = next(n.notice.message for n in trained.state.notices if "at once instead of" in n.notice.message)
    rows = int(notice.split("instead of ")[1].split()[0].strip(",;"))
    assert config.per_device_train_batch_size < rows
    assert config.per_device_train_batch_size * config.gradient_accumulation_steps % rows == 0


def test_a_disk_without_room_is_said_before_training(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage)
    trained = train()
    assert trained.outcome.status == "failed"
    assert trained.outcome.reason.startswith("the disk has 1.0 kB free")
    assert not trained.outcome.began


def test_a_place_that_can_not_be_written_to_is_said_before_training(
    train: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("safetensors.torch.save_file", full)
    trained = train()
    assert "a checkpoint can't be written to" in trained.outcome.reason
    assert not (trained.run.checkpoints_dir / check.PIECE).exists()


def test_a_disk_that_gives_back_something_else_is_found(train: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    def other(path: Path) -> dict[str, torch.Tensor]:
        return {name: weight + 1 for name, weight in load_file(path).items()}

    monkeypatch.setattr("safetensors.torch.load_file", other)
    assert "is not what is read back" in train().outcome.reason


def test_a_model_whose_loss_is_no_number_is_found(train: Train, models: Path, place: Path) -> None:
    import shutil

    from safetensors.torch import save_file

    shutil.copytree(models / "llama", place / "broken")
    weights = load_file(place / "broken" / "model.safetensors")
    weights["model.norm.weight"] = torch.full_like(weights["model.norm.weight"], float("nan"))
    save_file(weights, place / "broken" / "model.safetensors", {"format": "pt"})
    trained: Trained = train(model_name_or_path=str(place / "broken"), packing=False)
    assert "before anything was trained" in trained.outcome.reason
    assert not trained.outcome.began


def test_it_costs_a_batch_and_a_moment(train: Train) -> None:
    trained = train(max_steps=1, eval_strategy="no")
    events = raw_events(trained.run.events_path)
    (checked,) = [event for event in events if event["type"] == "check"]
    began = next(event["time"] for event in events if event.get("label") == "Trying one batch")
    assert checked["time"] - began < checked["batch_seconds"] + 2
