"""Files that are damaged or not those of the run: checkpoints (faults 13 to 15) and the model it begins from (16)."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.events import raw_events
from tests.tiny import make_model, sentences, write_jsonl
from tests.training.compare import assert_same
from tests.training.conftest import Trained
from tui_finetune.errors import UserError
from tui_finetune.runs import checkpoints
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.log import EventLog
from tui_finetune.training.resume import checkpoint_to_resume

pytestmark = pytest.mark.usefixtures("bare")

Train = Callable[..., Trained]
SETTINGS: dict[str, Any] = {"max_steps": 6, "save_strategy": "steps", "save_steps": 2, "eval_strategy": "no"}


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def remove(path: Path) -> None:
    path.unlink()


WAYS = {"cut short": cut, "emptied": empty, "one bit flipped": flip_a_bit, "removed": remove}
FILES = (*checkpoints.REQUIRED, checkpoints.MANIFEST)


def stop(run: RunDirectory) -> None:
    run.request("stop")


@pytest.fixture
def stopped(train: Train) -> RunDirectory:
    """A run stopped at step 4, with a checkpoint at step 2 as well."""
    return train("stopped", at={4: stop}, **SETTINGS).run


def goes_on_from(run: RunDirectory) -> tuple[Path | None, str]:
    """Where a run goes on from, and what it says about it."""
    log = EventLog(run.events_path)
    try:
        checkpoint = checkpoint_to_resume(run, run.read_config(), log)
    finally:
        log.close()
    told = [event for event in raw_events(run.events_path) if event["type"] == "notice"]
    told = [
        event for event in told if event["level"] != "info" and event.get("setting") != "max_steps"
    ]  # so short a run
    return checkpoint, f"{told[-1]['message']} {told[-1]['remedy']}" if told else ""


def test_fault_13_any_file_of_a_checkpoint_damaged_in_any_way(train: Train, stopped: RunDirectory) -> None:
    assert [path.name for path in checkpoints.committed(stopped.checkpoints_dir)] == ["checkpoint-2", "checkpoint-4"]
    assert goes_on_from(stopped) == (stopped.checkpoints_dir / "checkpoint-4", "")
    whole = stopped.path.with_name("copy")
    shutil.copytree(stopped.path, whole)
    for file in FILES:
        for way, damage in WAYS.items():
            shutil.rmtree(stopped.path)
            shutil.copytree(whole, stopped.path)
            damage(stopped.checkpoints_dir / "checkpoint-4" / file)
            checkpoint, told = goes_on_from(stopped)
            assert checkpoint == stopped.checkpoints_dir / "checkpoint-2", (file, way)
            for words in ("checkpoint-4", file, "resuming from the one before"):
                assert words in told, (file, way, told)


@pytest.mark.parametrize("file", ["scheduler.pt", checkpoints.MANIFEST])
def test_fault_13_from_the_checkpoint_before_it_ends_the_same(train: Train, stopped: RunDirectory, file: str) -> None:
    (stopped.checkpoints_dir / "checkpoint-4" / file).unlink()
    resumed = train("stopped", resume=True)
    assert resumed.outcome.status == "finished"
    assert any(event.get("resumed_from") == 2 for event in resumed.events)
    assert_same(resumed, train("whole", **SETTINGS))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("file", ["optimizer.pt", checkpoints.MANIFEST])
def test_fault_14_with_every_checkpoint_damaged_it_refuses_and_removes_nothing(
    train: Train, stopped: RunDirectory, file: str, way: str
) -> None:
    for checkpoint in checkpoints.committed(stopped.checkpoints_dir):
        WAYS[way](checkpoint / file)
    before = sorted(stopped.checkpoints_dir.rglob("*"))
    outcome = train("stopped", resume=True).outcome
    assert (outcome.status, outcome.began) == ("failed", False)
    assert "every checkpoint" in outcome.error.message
    for words in ("checkpoint-2", "checkpoint-4", file):
        assert words in outcome.error.message
    assert sorted(stopped.checkpoints_dir.rglob("*")) == before


def test_fault_14_without_any_checkpoint_that_was_saved_it_refuses(train: Train, stopped: RunDirectory) -> None:
    shutil.rmtree(stopped.checkpoints_dir)
    outcome = train("stopped", resume=True).outcome
    assert outcome.status == "failed"
    assert "none is there any more" in outcome.error.message


def test_fault_15_a_checkpoint_of_another_run_is_refused(train: Train, stopped: RunDirectory, place: Path) -> None:
    own = stopped.checkpoints_dir / "checkpoint-4"
    kept = shutil.move(own, place / "kept")

    def refusal(name: str, **settings: Any) -> str:
        """What is said where the newest checkpoint is that of a run with those settings."""
        shutil.copytree(train(name, **SETTINGS | {"max_steps": 4} | settings).run.checkpoints_dir / own.name, own)
        outcome = train("stopped", resume=True).outcome
        shutil.rmtree(own)
        assert (outcome.status, outcome.began) == ("failed", False), name
        assert outcome.error.remedy
        return str(outcome.error.message)

    write_jsonl(place / "other.jsonl", sentences(61, seed=8))
    words = refusal("other-data", dataset_name="other.jsonl")
    assert "other.jsonl with" in words
    assert "/data.jsonl with" in words
    make_model(place / "larger", "gpt2")
    words = refusal("other-model", model_name_or_path="larger")
    assert str(place / "larger") in words
    assert "seed is 7 in this run, not 42" in refusal("other-seed", seed=7)
    # The model's folder has been changed, and is another one by the same name.
    shutil.copytree(Path(stopped.read_config().model_name_or_path), place / "named")
    before = train("before", model_name_or_path="named", **SETTINGS | {"max_steps": 4}).run
    shutil.rmtree(place / "named")
    make_model(place / "named", "gpt2")
    outcome = train("before", resume=True, changes={"max_steps": 6}).outcome
    assert outcome.status == "failed"
    assert "other weights" in outcome.error.message
    assert before.read_config().max_steps == 4

    shutil.move(kept, own)
    assert train("stopped", resume=True).outcome.status == "finished"


def test_fault_16_weights_cut_short_are_named(train: Train, models: Path, place: Path) -> None:
    shutil.copytree(models / "llama", place / "cut")
    cut(place / "cut" / "model.safetensors")
    outcome = train("run", model_name_or_path="cut").outcome
    assert (outcome.status, outcome.began) == ("failed", False)
    assert str(place / "cut" / "model.safetensors") in outcome.error.message
    assert isinstance(outcome.error, UserError)
    assert outcome.error.remedy
