"""A run of several data sets: the loss of each, and exactly the same when it is stopped and resumed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.training.compare import assert_same
from tests.training.conftest import Train
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.training.evaluating import told_apart

SETTINGS = {"max_steps": 6, "eval_strategy": "steps", "eval_steps": 3, "logging_steps": 1}


@pytest.fixture
def three(tmp_path: Path) -> str:
    places = [tmp_path / f"{name}.jsonl" for name in ("tales", "chat-v2", "notes")]
    for number, path in enumerate(places):
        rows = [{"text": f"{number} the cat {line} sat on the mat"} for line in range(60)]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return ", ".join(f"{path}={weight}" for path, weight in zip(places, (5, 3, 2), strict=True))


def _stop(run: RunDirectory) -> None:
    run.request("stop")


def test_a_mix_stopped_and_resumed_is_the_same_bit_for_bit(train: Train, three: str) -> None:
    whole = train("whole", datasets=three, **SETTINGS)
    assert whole.outcome.status == "finished"
    curves = whole.state.curves
    names = ["eval_tales_loss", "eval_chat_v2_loss", "eval_notes_loss"]
    assert all(len(curves[name]) == 2 for name in names)
    losses = [curves[name].newest for name in names]
    assert min(losses) <= whole.state.eval_losses.newest <= max(losses)
    assert len(set(losses)) == 3

    assert train("cut", datasets=three, at={2: _stop}, **SETTINGS).outcome.status == "stopped"
    assert_same(train("cut", resume=True), whole)


def test_the_run_is_called_after_its_data_sets(train: Train, three: str) -> None:
    state = train("named", datasets=three, **{**SETTINGS, "max_steps": 1}).state
    assert state.dataset == "tales + chat-v2 + notes"


def test_rows_are_told_apart_by_their_order() -> None:
    from datasets import Dataset

    rows = Dataset.from_dict({"n": range(5)})
    parts = told_apart(rows, [("a", 2), ("b", 3)])
    assert [(name, part["n"][:]) for name, part in parts] == [("a", [0, 1]), ("b", [2, 3, 4])]
    assert told_apart(None, []) == []
