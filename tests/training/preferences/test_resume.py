"""Learning preferences: stopped and resumed, a run ends bitwise as one that was never stopped, its curves too."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.training.compare import assert_same
from tests.training.conftest import Train, Trained
from tui_finetune.runs.directory import RunDirectory

pytest.importorskip("trl")

SETTINGS: dict[str, object] = {"logging_steps": 2, "eval_strategy": "steps", "eval_steps": 4, "learning_rate": 1e-2}
KINDS: dict[str, dict[str, object]] = {
    "dpo": {"task": "dpo"},
    "dpo-lora": {"task": "dpo", "method": "lora", "lora_r": 4},
    "dpo-qlora": {"task": "dpo", "method": "qlora", "lora_r": 4},
    "dpo-precomputed": {"task": "dpo", "precompute_ref_log_probs": True},
    "orpo": {"task": "orpo"},
    "orpo-lora": {"task": "orpo", "method": "lora", "lora_r": 4},
    "kto": {"task": "kto", "dataset_name": "judged.jsonl"},
    "kto-lora-pairs": {"task": "kto", "method": "lora", "lora_r": 4},
}
EVERYDAY = {"dpo": 3, "orpo": 3, "kto-lora-pairs": 5}
"""Where these are stopped each time, in the middle of what is logged at once; the others, and all steps, under -m long."""

TIMES = ("_runtime", "_per_second", "tokens_per_second", "total_flos", "train_loss", "time")


def stop(run: RunDirectory) -> None:
    run.request("stop")


def measured(trained: Trained) -> list[dict[str, object]]:
    """All numbers that were logged, but for times and what is of a whole run."""
    kept = []
    for event in trained.events:
        if event["type"] == "metrics" and "train_runtime" not in event:
            kept.append({name: value for name, value in event.items() if not name.endswith(TIMES)})
    return kept


def check(kind: str, step: int, learn: Train, whole: Trained) -> None:
    name = f"{kind}-{step}"
    stopped = learn(name, at={step: stop}, **SETTINGS, **KINDS[kind])
    assert (stopped.outcome.status, stopped.outcome.step) == ("stopped", step)
    resumed = learn(name, resume=True)
    assert resumed.outcome.status == "finished"
    assert_same(resumed, whole)
    assert measured(resumed) == measured(whole)


@pytest.mark.parametrize("kind", EVERYDAY)
def test_a_stop_is_exact(kind: str, learn: Train) -> None:
    whole = learn(kind, **SETTINGS, **KINDS[kind])
    assert whole.outcome.status == "finished", whole.outcome.reason
    check(kind, EVERYDAY[kind], learn, whole)


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_every_stop_is_exact(kind: str, learn: Train) -> None:
    whole = learn(f"{kind}-whole", **SETTINGS, **KINDS[kind])
    for step in range(1, 6):
        check(kind, step, learn, whole)


def test_everything_asked_for_on_the_side_changes_nothing(learn: Train, shared_place: Path) -> None:
    def ask(run: RunDirectory) -> None:
        for action in ("evaluate", "save", "sample"):
            run.request(action)

    whole = learn("alone", **SETTINGS, task="dpo", method="lora")
    asked = learn("asked", at={3: ask}, **SETTINGS, task="dpo", method="lora")
    aside = [event for event in asked.events if event["type"] == "metrics" and event.get("answers")]
    assert [event["step"] for event in aside] == [3]
    assert {"eval_loss", "eval_rewards/margins", "eval_rewards/accuracies"} <= set(aside[0])
    assert [event for event in measured(asked) if not event.get("answers")] == measured(whole)
    assert any(event["type"] == "sample" for event in asked.events)
    assert any(event["type"] == "checkpoint" and event["step"] == 3 for event in asked.events)


def test_an_adapter_that_is_trained_further_is_compared_with_itself_as_it_was(learn: Train, shared_place: Path) -> None:
    first = learn("first", method="lora", lora_r=4, max_steps=3, learning_rate=1e-1, dataset_name="data.jsonl")
    settings = {
        **SETTINGS,
        "task": "dpo",
        "method": "lora",
        "lora_r": 4,
        "model_name_or_path": str(first.run.final_dir),
    }
    whole = learn("further", **settings)
    assert whole.outcome.status == "finished", whole.outcome.reason
    # Before the first step nothing is preferred to what was; without its adapter the model is another one.
    assert measured(whole)[0]["eval_rewards/chosen"] == 0.0
    stopped = learn("further-3", at={3: stop}, **settings)
    assert stopped.outcome.status == "stopped"
    assert_same(learn("further-3", resume=True), whole)
    assert not (whole.run.final_dir / "ref").exists()
