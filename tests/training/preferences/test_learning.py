"""What is preferred is learned: on the starter, of replies that were of either kind before nearly all are of the preferred."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.training.conftest import make_place
from tests.training.preferences import kinds
from tests.training.preferences.conftest import write
from tui_finetune.config.resolve import resolve
from tui_finetune.models.catalog import model_settings
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.training.session import TrainingSession

pytest.importorskip("trl")
pytestmark = pytest.mark.long


def train(run: RunDirectory, preset: str | None = None, **settings: object) -> RunDirectory:
    run.create()
    usual = {"sample_prompts": "off", "max_length": 64, "validation_split": 0, "save_strategy": "no"}
    resolved = resolve(
        {**usual, **settings}, preset_name=preset, model_settings=lambda name: model_settings(name) or {}
    )
    outcome = TrainingSession(resolved, run).run()
    assert outcome.status == "finished", outcome.reason
    return run


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunDirectory]:
    """The starter, taught to answer in either kind."""
    with pytest.MonkeyPatch.context() as patch:
        place = make_place(tmp_path_factory.mktemp("kinds"), patch)
        write(place / "both.jsonl", kinds.both_kinds())
        write(place / "pairs.jsonl", kinds.pairs())
        write(place / "judged.jsonl", kinds.judged())
        run = RunDirectory(place / "base")
        yield train(run, dataset_name="both.jsonl", num_train_epochs=4, per_device_train_batch_size=8)


def test_before_the_replies_are_of_either_kind(base: RunDirectory) -> None:
    assert 0.3 < kinds.preferred_share(base) < 0.7


@pytest.mark.parametrize(
    ("preset", "data", "settings"),
    [
        ("dpo", "pairs.jsonl", {}),
        ("dpo", "pairs.jsonl", {"precompute_ref_log_probs": True}),
        ("orpo", "pairs.jsonl", {}),
        ("kto", "judged.jsonl", {}),
        ("kto", "pairs.jsonl", {"method": "lora"}),
    ],
)
def test_afterwards_nearly_all_are_of_the_preferred_kind(
    preset: str, data: str, settings: dict[str, object], base: RunDirectory, tmp_path: Path
) -> None:
    run = RunDirectory(tmp_path / "run")
    # By the preset, with the rates that suit the starter; five epochs of 48 pairs.
    train(run, preset, model_name_or_path=str(base.final_dir), dataset_name=data, num_train_epochs=5, **settings)
    assert kinds.preferred_share(run) >= 0.9


def test_dpo_with_an_adapter_learns_it_too(base: RunDirectory, tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run")
    settings: dict[str, object] = {"method": "lora", "num_train_epochs": 5}
    train(run, "dpo", model_name_or_path=str(base.final_dir), dataset_name="pairs.jsonl", **settings)
    assert kinds.preferred_share(run) >= 0.8
