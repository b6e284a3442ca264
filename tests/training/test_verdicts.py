"""Real runs of the starter, healthy and sick, and what is said of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tui_finetune.config.resolve import resolve
from tui_finetune.models.catalog import model_settings
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.result import RunResult
from tui_finetune.runs.verdict import Verdict
from tui_finetune.training.session import TrainingSession

Train = Callable[..., Verdict]


@pytest.fixture
def starter(place: Path) -> Callable[..., RunResult]:
    """Train the starter with some settings."""

    def train(**settings: object) -> RunResult:
        run = RunDirectory(place / "run")
        run.create()
        return TrainingSession(resolve(settings, model_settings=model_settings), run).run()

    return train


def verdict_of(result: RunResult) -> Verdict:
    assert result.status == "finished", result.reason
    assert result.verdict is not None
    return result.verdict


def alarms(verdict: Verdict) -> set[str]:
    return {finding.kind for finding in verdict.findings if finding.level in {"warning", "error"}}


def test_a_rate_of_one_went_wrong_and_is_told_by_its_card(starter: Callable[..., RunResult], place: Path) -> None:
    result = starter(dataset_name="tiny", learning_rate=1.0, max_steps=24, num_train_epochs=3, sample_prompts="off")
    verdict = verdict_of(result)
    assert verdict.went_wrong
    assert "a learning rate of 1 is 500 times what suits this model" in verdict.headline
    assert verdict.way is not None
    assert verdict.way.words == "again with learning_rate 0.002"
    assert "**This run went wrong.**" in (place / "run" / "final" / "README.md").read_text()
    told = json.loads((place / "run" / "events.jsonl").read_bytes().splitlines()[-1])
    assert Verdict.from_fields(told["verdict"]) == verdict


@pytest.mark.long
@pytest.mark.parametrize(("rate", "kind"), [(0.1, "rate"), (1e-7, "flat")])
def test_a_rate_far_off_is_named(starter: Callable[..., RunResult], rate: float, kind: str) -> None:
    verdict = verdict_of(starter(learning_rate=rate, max_steps=160, sample_prompts="off"))
    assert kind in alarms(verdict)
    assert "what suits this model" in verdict.headline


@pytest.mark.long
def test_tiny_overfits_by_itself_and_stops_early(starter: Callable[..., RunResult]) -> None:
    result = starter(dataset_name="tiny")
    verdict = verdict_of(result)
    assert result.early_stopped
    assert alarms(verdict) & {"overfitting", "memorized"}
    assert not verdict.went_wrong
    assert "it only memorized" in verdict.plain


@pytest.mark.long
def test_sea_tales_went_well(starter: Callable[..., RunResult]) -> None:
    verdict = verdict_of(starter())
    assert alarms(verdict) == set()
    assert verdict.level == "good"


def test_data_in_which_all_is_masked_is_refused(starter: Callable[..., RunResult], place: Path) -> None:
    turns = [{"role": "user", "content": "Hello?"}]
    (place / "masked.jsonl").write_text("".join(json.dumps({"messages": turns}) + "\n" for _ in range(40)))
    result = starter(dataset_name="masked.jsonl")
    assert result.status == "failed"
    assert not result.began
    assert result.remedy
