"""Whether a model fits is the same number, with the same margin, on the Model screen, in the plan and in the commands."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.tiny import make_model, sentences, write_jsonl
from tui_finetune.cli.main import main
from tui_finetune.config.flags import as_flags
from tui_finetune.config.resolve import make_config
from tui_finetune.config.schema import RunConfig
from tui_finetune.formatting import size
from tui_finetune.models import devices
from tui_finetune.models.catalog import model_facts
from tui_finetune.planning import fit
from tui_finetune.planning.estimate import estimate
from tui_finetune.planning.plan import examine

CPU = devices.DeviceFacts("CPU", "cpu", total=16 * 10**9, free=12 * 10**9, count=2, bf16_good=False)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    make_model(tmp_path / "tiny")
    write_jsonl(tmp_path / "data.jsonl", sentences(40))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FINETUNE_TUI_STATE", str(tmp_path / "state"))
    return tmp_path


def with_free(monkeypatch: pytest.MonkeyPatch, free: int) -> None:
    monkeypatch.setattr(fit, "may_have_gpu", lambda: False)
    monkeypatch.setattr(devices, "cpu_facts", lambda: replace(CPU, free=free))


@pytest.mark.parametrize("share", [0.97, 1.1])
def test_all_say_the_same(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], share: float
) -> None:
    batch = {
        "per_device_train_batch_size": 4, "per_device_eval_batch_size": 4, "gradient_accumulation_steps": 2,
        "gradient_checkpointing": False,
    }  # fmt: skip
    config = make_config({"model_name_or_path": "./tiny", "dataset_name": "data.jsonl", **batch})
    facts = model_facts("./tiny")
    assert facts is not None
    needed = estimate(config, facts, device=CPU).needed
    with_free(monkeypatch, int(share * needed))
    fits = share > 1

    on_screen = fit.fit_of(config, facts, fit.this_device())
    assert on_screen is not None
    assert on_screen.fits is fits

    plans: list[Any] = []
    plan = examine(config, plans.append)
    assert plan.problem is None
    assert {found.estimate.needed for found in plans if found.estimate} == {needed}
    assert any(size(needed) in part and ("✗" in part) is not fits for part in plan.parts())

    flags = ["--model", "./tiny", "--dataset", "data.jsonl", *as_flags(batch)]
    assert main(["estimate", *flags, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["memory"]["total"], told["fits"], told["usable"]) == (needed, fits, int(0.95 * int(share * needed)))
    assert main(["train", *flags, "--dry-run"]) == 0
    memory = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("memory"))
    assert on_screen.words.partition(": ")[2].startswith(memory.partition(": ")[2])


def test_thriftier_settings_are_named_as_such() -> None:
    facts = model_facts("starter")
    assert facts is not None
    large = replace(facts, parameters=500_000_000, vocab_size=150_000, layers=24, hidden_size=896, context_length=1024)
    found = fit.fit_of(RunConfig(), large, CPU)
    assert found is not None
    assert not found.fits
    as_set, other = found.words.split(". ", 1)
    assert as_set.startswith("does not fit as set: needs about")
    assert other.startswith("With other settings it would fit: about")
    assert "per_device_train_batch_size 1" in other


def test_each_method_is_told_with_the_most_that_fits() -> None:
    facts = model_facts("starter")
    assert facts is not None
    large = replace(
        facts, parameters=1_500_000_000, vocab_size=150_000, layers=28, hidden_size=1536, context_length=4096
    )
    found = fit.fit_of(RunConfig(), large, replace(CPU, free=24 * 10**9, total=32 * 10**9))
    assert found is not None
    full, lora, qlora = found.ways
    assert (full.name, lora.name, qlora.name) == ("Full", "LoRA", "QLoRA")
    assert full.needed > lora.needed > qlora.needed
    assert (full.rows, full.longest) == (0, 0)
    assert 0 < lora.rows <= qlora.rows
    assert lora.longest > lora.length
    assert lora.words().startswith(f"{size(lora.needed)}, up to {lora.rows} row")
    # One row more, or a longer one, doesn't fit.
    doubled = RunConfig(method="lora", per_device_train_batch_size=2 * lora.rows, gradient_checkpointing=False)
    needed = estimate(doubled, large, device=replace(CPU, free=24 * 10**9))
    assert lora.rows == fit.MOST_ROWS or not needed.fits
