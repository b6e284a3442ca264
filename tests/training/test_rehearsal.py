"""The check before training by itself: `finetune-tui check`, and as the app asks for it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.programs import Programs
from tui_finetune.config.resolve import resolve
from tui_finetune.errors import UserError
from tui_finetune.models.devices import cpu_facts
from tui_finetune.planning.plan import examine
from tui_finetune.runs import registry
from tui_finetune.training import check
from tui_finetune.training.rehearsal import rehearse, rehearse_apart


def settings(models: Path) -> dict[str, object]:
    return {
        "model_name_or_path": str(models / "llama"), "dataset_name": "data.jsonl", "max_length": 64,
        "per_device_train_batch_size": 2, "output_dir": "out/run",
    }  # fmt: skip


def test_nothing_is_left_of_a_check(models: Path, place: Path) -> None:
    before = sorted(place.rglob("*"))
    checked = rehearse(resolve(settings(models)))
    assert checked.batch_tokens == 2 * 64
    assert [p for p in sorted(place.rglob("*")) if "cache" not in p.parts and p not in before] == []
    assert registry.known_runs() == []


def test_the_plan_is_corrected_by_it(models: Path, place: Path) -> None:
    resolved = resolve(settings(models))
    plan, checked = examine(resolved), rehearse(resolved)
    corrected = plan.corrected(checked).estimate
    assert plan.estimate is not None
    assert corrected is not None
    assert corrected.needed == checked.needed != plan.estimate.needed
    assert abs(sum(count for part, count in corrected.memory.items() if part != "total") - corrected.needed) < 10
    assert corrected.training_seconds == checked.training_seconds
    assert "needs about" in plan.estimate.memory_words()
    assert "needs about" not in corrected.memory_words()
    assert plan.corrected(None) is plan


def test_what_is_wrong_is_raised_with_ways_that_can_be_typed(
    models: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, "_measured", lambda kind: 10**15)
    with pytest.raises(UserError) as raised:
        rehearse(resolve({**settings(models), "gradient_accumulation_steps": 3}))
    assert raised.value.message.startswith("the run needs ")
    assert "finetune-tui resume" not in raised.value.remedy  # there is no run
    monkeypatch.setattr(check, "_measured", lambda kind: int(cpu_facts().free))
    with pytest.raises(UserError) as raised:
        rehearse(resolve({**settings(models), "gradient_accumulation_steps": 3, "max_length": 128}))
    assert raised.value.remedy
    assert [p.name for p in place.iterdir() if p.name.startswith(".check")] == []


def test_the_command_prints_it(programs: Programs, models: Path, place: Path) -> None:
    flags = [part for key, value in settings(models).items() for part in (f"--{key}", str(value))]
    done = programs.run("check", *flags, folder=place)
    assert (done.status, done.err) == (0, "")
    assert "memory       fits: needs " in done.out
    assert "checked      a batch of 128 tokens takes " in done.out
    done = programs.run("check", "--json", *flags, folder=place)
    answer = json.loads(done.out)
    assert answer["check"]["needed"] == answer["memory"]["total"]
    assert not (place / "out").exists()
    done = programs.run("check", *flags[:2], "--dataset", "nowhere.jsonl", folder=place)
    assert (done.status, done.words) == (2, ["error", "hint"])


@pytest.mark.long
def test_a_process_of_its_own_gives_the_same(models: Path, place: Path) -> None:
    checked = rehearse_apart(resolve(settings(models)))
    assert checked.batch_tokens == 128
    with pytest.raises(UserError, match="ended before it was done"):
        rehearse_apart(resolve(settings(models)), lambda end: end())
