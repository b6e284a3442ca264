"""Samples by themselves: what the model writes as it learns, within a share of the time, and without a trace in the run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.training.conftest import Trained
from tui_finetune.config.resolve import resolve
from tui_finetune.errors import UserError
from tui_finetune.training import samples
from tui_finetune.training.samples import FEWEST_TOKENS, MOST_TOKENS, SHARE, SampleBudget

Train = Callable[..., Trained]


@pytest.fixture
def plenty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time enough, also in a run of a second."""
    monkeypatch.setattr(samples, "SHARE", 100.0)


def test_they_come_before_the_first_step_at_each_evaluation_and_at_the_end_and_change_nothing(
    train: Train, plenty: None
) -> None:
    settings = {"max_steps": 5, "eval_steps": 2, "eval_strategy": "steps"}
    with_them = train("with", **settings, sample_prompts="the old lamp | a ship came | over the sea")
    without = train("without", **settings, sample_prompts="off")
    told = with_them.state.samples
    assert [sample.step for sample in told] == [0] * 3 + [2] * 3 + [4] * 3 + [5] * 3
    assert [sample.prompt for sample in told[:3]] == ["the old lamp", "a ship came", "over the sea"]
    assert without.state.samples == []
    assert with_them.losses() == without.losses()
    assert with_them.eval_losses() == without.eval_losses()
    weights = [(trained.run.final_dir / "model.safetensors").read_bytes() for trained in (with_them, without)]
    assert weights[0] == weights[1]
    assert any("Samples took" in event.notice.message for event in with_them.state.notices)


def test_prompts_are_taken_from_rows_that_are_not_trained_on(train: Train, plenty: None) -> None:
    told = train("run", max_steps=1, validation_split=6).state.samples
    assert len({sample.prompt for sample in told}) == 3


def test_a_file_of_prompts_is_taken_and_one_that_is_not_there_is_refused(
    train: Train, plenty: None, place: Path
) -> None:
    (place / "prompts.txt").write_text("the old\n\na ship\n")
    told = train("run", max_steps=1, sample_prompts="prompts.txt").state.samples
    assert {sample.prompt for sample in told} == {"the old", "a ship"}
    failed = train("failed", max_steps=1, sample_prompts="none.txt").outcome
    assert failed.status == "failed"
    assert "none.txt" in failed.reason


def test_a_model_that_cannot_write_trains_on(train: Train, plenty: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise UserError("the model's numbers are broken (inf or nan)")

    monkeypatch.setattr("tui_finetune.chat.generate.generate", broken)
    trained = train("run", max_steps=2)
    assert trained.outcome.status == "finished"
    assert any("can't write samples" in event.notice.message for event in trained.state.notices)


def test_a_list_in_a_file_is_one_setting() -> None:
    assert resolve(file={"sample_prompts": ["one", "two  words"]}).config.sample_prompts == "one | two words"
    assert resolve(file={"sample_prompts": False}).config.sample_prompts == "off"
    assert resolve(file={"sample_prompts": "auto"}).config.sample_prompts is None


@pytest.mark.parametrize("seconds", [0.5, 5.0, 60.0, 3600.0])
@pytest.mark.parametrize("per_token", [0.0005, 0.005, 0.2])
def test_the_share_of_the_time_is_kept_whatever_the_speed(seconds: float, per_token: float) -> None:
    budget = SampleBudget(3)
    budget.training = seconds
    written = []
    for occasion in range(11):
        progress = occasion / 10
        prompts, tokens = budget.plan(progress)
        if budget.seconds_per_token is None and prompts:
            # What is written before anything is measured ends at its deadline.
            budget.took(min(prompts * tokens * per_token, budget.left(progress)), prompts * tokens)
            budget.seconds_per_token = per_token
            prompts, tokens = budget.plan(progress)
        budget.took(prompts * tokens * per_token, prompts * tokens)
        written.append((prompts, tokens))
        assert tokens <= MOST_TOKENS
        assert not prompts or tokens >= FEWEST_TOKENS
    assert budget.spent <= SHARE * seconds + 1e-9
    if seconds == 3600.0 and per_token < 0.1:
        assert written == [(3, MOST_TOKENS)] * 11
