"""Requests to a live run: a key that is held is one wish (C5)."""

from __future__ import annotations

import pytest

from tests.training.conftest import Train
from tui_finetune.runs.directory import RunDirectory

pytestmark = pytest.mark.usefixtures("bare_resources")


@pytest.fixture
def bare_resources(monkeypatch: pytest.MonkeyPatch) -> None:
    from contextlib import nullcontext

    from tui_finetune.training import resources

    monkeypatch.setattr(resources, "watch_resources", lambda _log: nullcontext())


def test_c5_requests_of_one_kind_that_wait_are_one(train: Train) -> None:
    asked: list[str] = []

    def hold_keys(run: RunDirectory) -> None:
        for _ in range(20):
            asked.extend(run.request(action) for action in ("sample", "save", "evaluate"))
        asked.append(run.request("sample", prompt="another"))

    trained = train(at={2: hold_keys}, max_steps=3, eval_strategy="no")
    samples = [event for event in trained.events if event["type"] == "sample"]
    assert [sample["prompt"] == "another" for sample in samples] == [False, True]
    evaluations = [event for event in trained.events if event.get("asked_for")]
    assert [event["step"] for event in evaluations] == [2]
    answered = [event["answers"] for event in trained.events if event.get("answers")]
    assert sorted(request for ids in answered for request in ids) == sorted(asked)


def test_c5_of_what_turns_a_run_on_and_off_the_order_counts(train: Train) -> None:
    def press(run: RunDirectory) -> None:
        for action in ("pause", "continue", "pause", "continue"):
            run.request(action)

    trained = train(at={2: press}, max_steps=3, eval_strategy="no")
    assert trained.outcome.status == "finished"
    told = [event["status"] for event in trained.events if event["type"] == "status"]
    assert told == ["starting", "running", "paused", "running", "paused", "running", "finished"]
