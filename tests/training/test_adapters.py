"""Runs that train an adapter, packed models, frozen layers, noise: saved, resumed, chatted with, gone on with."""

from __future__ import annotations

import json
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.training.compare import assert_same
from tests.training.conftest import Train, Trained, make_place, train_in
from tui_finetune.chat.engine import Engine
from tui_finetune.chat.sampling import Sampling
from tui_finetune.chat.targets import resolve_chat_target
from tui_finetune.models.catalog import list_models, model_settings
from tui_finetune.models.located import locate
from tui_finetune.runs import checkpoints
from tui_finetune.runs.directory import RunDirectory

needs_bitsandbytes = pytest.mark.skipif(find_spec("bitsandbytes") is None, reason="needs the extra quantization")

SETTINGS: dict[str, object] = {
    "method": "lora",
    "lora_r": 4,
    "learning_rate": 1e-2,
    "gradient_accumulation_steps": 2,
    "num_train_epochs": 2,
    "logging_steps": 2,
    "save_total_limit": 9,
    "early_stopping_patience": 3,
}
"""60 texts packed to 64 tokens in batches of 2 x 2 make some 9 steps an epoch."""

METHODS: dict[str, dict[str, object]] = {
    "lora with dropout": {"lora_dropout": 0.1},
    "dora": {"use_dora": True},
    "rslora, padded, checkpointing": {"use_rslora": True, "packing": False, "gradient_checkpointing": True},
    "lora+ with tokens": {"loraplus_lr_ratio": 8, "trainable_token_indices": "5,6"},
    "last layer with noise": {"method": "full", "unfrozen_layers": 1, "neftune_noise_alpha": 5},
    "qlora": {"method": "qlora"},
    "int8": {"quantization": "int8"},
}

EVERYDAY = {"lora with dropout": [4], "dora": [9], "qlora": [5]}
"""Steps at which these are stopped each time; the others, and all steps, under -m long."""


def stop(run):
    run.request("stop")


def skip_without_bitsandbytes(method: str) -> None:
    if method in {"qlora", "int8"} and find_spec("bitsandbytes") is None:
        pytest.skip("needs the extra quantization")


def check_stops(method: str, steps: list[int], train: Train) -> None:
    skip_without_bitsandbytes(method)
    settings = {**SETTINGS, **METHODS[method]}
    whole = train("whole", **settings)
    assert whole.outcome.status == "finished", whole.outcome
    for step in steps:
        stopped = train(f"at-{step}", at={step: stop}, **settings)
        assert stopped.outcome.checkpoint_step == step, stopped.outcome
        assert_same(train(f"at-{step}", resume=True), whole)


@pytest.mark.parametrize("method", EVERYDAY)
def test_a_stop_is_exact(method: str, train: Train) -> None:
    check_stops(method, EVERYDAY[method], train)


@pytest.mark.long
@pytest.mark.parametrize("method", METHODS)
def test_every_stop_is_exact(method: str, train: Train) -> None:
    check_stops(method, [1, 2, 3, 5, 7, 8, 9, 10, 12, 13], train)


@pytest.fixture(scope="module")
def tuned_once(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A finished run of LoRA on the tiny Llama that learned something, trained once."""
    folder = tmp_path_factory.mktemp("tuned")
    with pytest.MonkeyPatch.context() as patch:
        return train_in(make_place(folder, patch), models)(**SETTINGS)


@pytest.fixture
def tuned(tuned_once: Trained, place: Path) -> Trained:
    """A copy of it beside the data."""
    run = RunDirectory(place / "run")
    shutil.copytree(tuned_once.run.path, run.path)
    return Trained(run, tuned_once.outcome)


def test_a_run_of_lora_learns_and_keeps_only_the_adapter(tuned: Trained, models: Path) -> None:
    assert tuned.outcome.status == "finished", tuned.outcome
    losses = [loss for _, loss in tuned.eval_losses()]
    assert losses[-1] < losses[0] < tuned.losses()[0][1]
    for folder in (*checkpoints.committed(tuned.run.checkpoints_dir), tuned.run.final_dir):
        names = {path.name for path in folder.iterdir()}
        assert {"adapter_model.safetensors", "adapter_config.json", "base_model.json", "tokenizer.json"} <= names
        assert "model.safetensors" not in names
        weights = load_file(folder / "adapter_model.safetensors")
        assert {weight.dtype for weight in weights.values()} == {torch.float32}
        assert all("lora_" in name for name in weights)
    for folder in checkpoints.committed(tuned.run.checkpoints_dir):
        manifest = checkpoints.verify(folder)
        assert manifest.holds_adapter
        base = manifest.facts["base"]
        assert isinstance(base, dict)
        assert base == json.loads((folder / "base_model.json").read_text())
        assert (base["name"], base["quantization"]) == (str(models / "llama"), "none")
        assert len(base["sha256"]) == 64
    assert (tuned.run.final_dir / "generation_config.json").is_file()


def test_the_final_adapter_loads_with_plain_peft_and_answers_as_in_our_chat(tuned: Trained) -> None:
    from peft import AutoPeftModelForCausalLM

    folder = tuned.run.final_dir
    theirs = AutoPeftModelForCausalLM.from_pretrained(str(folder)).eval()
    target = resolve_chat_target(str(tuned.run.path))
    assert target.model == str(folder)
    engine = Engine.load(locate(target.model))
    assert engine.has_adapter
    ids = torch.arange(20)[None]
    with torch.no_grad():
        assert torch.equal(engine.model(ids).logits, theirs(ids).logits)
    greedy = Sampling(max_new_tokens=12, temperature=0)
    before = engine.reply("the old lamp", greedy).text
    engine.answers_as_base = True
    base = engine.reply("the old lamp", greedy).text
    engine.answers_as_base = False
    config = json.loads((folder / "adapter_config.json").read_text())
    alone = Engine.load(locate(config["base_model_name_or_path"]))
    assert not alone.has_adapter
    assert base == alone.reply("the old lamp", greedy).text != before
    assert engine.reply("the old lamp", greedy).text == before


def test_a_checkpoint_of_an_adapter_can_be_talked_to(tuned: Trained) -> None:
    newest = checkpoints.committed(tuned.run.checkpoints_dir)[-1]
    engine = Engine.load(locate(resolve_chat_target(str(newest)).model))
    assert engine.has_adapter
    assert engine.reply("the old lamp", Sampling(max_new_tokens=4, temperature=0)).tokens > 0


def test_the_card_says_the_method_and_loads_with_peft(tuned: Trained) -> None:
    card = (tuned.run.final_dir / "README.md").read_text()
    assert "library_name: peft" in card
    assert "AutoPeftModelForCausalLM" in card
    assert "LoRA, rank 4" in card
    assert "float32" in card
    assert "unfrozen_layers" not in card


# Runs of their own


def test_the_best_adapter_is_the_final_one(train: Train) -> None:
    ended = train(
        max_steps=40, method="lora", lora_r=4, learning_rate=1.0, lr_scheduler_type="constant", eval_strategy="steps",
        eval_steps=2, early_stopping_patience=2,
    )  # fmt: skip
    end = ended.outcome
    assert end.early_stopped
    assert end.final_step == end.best_step < end.step
    best = ended.run.checkpoints_dir / f"checkpoint-{end.best_step}"
    saved, final = (load_file(path / "adapter_model.safetensors") for path in (best, ended.run.final_dir))
    assert saved.keys() == final.keys()
    assert all(torch.equal(saved[name], final[name]) for name in saved)


def test_samples_and_evaluations_on_the_side_change_nothing(train: Train, tuned: Trained) -> None:
    def ask(run):
        for action in ("evaluate", "sample", "save"):
            run.request(action)

    asked = train("asked", at={2: ask, 5: ask}, **{**SETTINGS, "lora_dropout": 0.0})
    samples = [event for event in asked.events if event["type"] == "sample"]
    assert len([event for event in samples if event.get("answers")]) == 2  # others the run may write by itself
    assert asked.losses() == tuned.losses()
    ours, theirs = (load_file(run.run.final_dir / "adapter_model.safetensors") for run in (asked, tuned))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_a_run_goes_on_from_an_adapter(train: Train, tuned: Trained, models: Path) -> None:
    name = str(tuned.run.final_dir)
    suits = model_settings(name)
    assert suits["method"] == "lora"
    more = train("more", model_name_or_path=name, **{**SETTINGS, **suits})
    assert more.outcome.status == "finished", more.outcome
    assert more.losses()[0][1] < tuned.losses()[0][1] - 0.1
    config = json.loads((more.run.final_dir / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == str(models / "llama")
    assert Engine.load(locate(str(more.run.final_dir))).has_adapter
    assert (
        train("more-stopped", model_name_or_path=name, at={3: stop}, **{**SETTINGS, **suits})
    ).outcome.checkpoint_step == 3
    assert_same(train("more-stopped", resume=True), more)


def test_full_fine_tuning_of_an_adapter_merges_it_first(train: Train, tuned: Trained) -> None:
    whole = train(
        "whole", model_name_or_path=str(tuned.run.final_dir), **{**SETTINGS, "method": "full", "learning_rate": 1e-4}
    )
    assert whole.outcome.status == "finished", whole.outcome
    assert whole.losses()[0][1] < tuned.losses()[0][1] - 0.1
    assert (whole.run.final_dir / "model.safetensors").is_file()


def test_a_base_that_has_changed_is_refused_in_plain_words(train: Train, models: Path, place: Path) -> None:
    shutil.copytree(models / "llama", place / "base")
    settings = {**SETTINGS, "model_name_or_path": str(place / "base")}
    train("changed", at={2: stop}, **settings)
    weights = load_file(place / "base" / "model.safetensors")
    save_file(
        {name: weight + 0.01 for name, weight in weights.items()},
        place / "base" / "model.safetensors",
        metadata={"format": "pt"},
    )
    resumed = train("changed", resume=True)
    assert resumed.outcome.status == "failed"
    assert "is not the model it was" in resumed.outcome.error.message
    shutil.rmtree(place / "base")
    gone = train("changed", resume=True)
    assert gone.outcome.status == "failed"
    assert str(place / "base") in gone.outcome.error.message


def test_a_checkpoint_without_its_adapter_is_unsound(train: Train) -> None:
    run = train("cut", at={2: stop}, **SETTINGS).run
    newest = checkpoints.committed(run.checkpoints_dir)[-1]
    (newest / "adapter_model.safetensors").unlink()
    with pytest.raises(checkpoints.UnsoundCheckpoint, match="adapter_model"):
        checkpoints.verify(newest)


def test_adapters_are_listed_with_their_model(tuned: Trained, place: Path) -> None:
    (place / "runs").mkdir()
    tuned.run.path.rename(place / "runs" / "run")
    entry = next(entry for entry in list_models(place) if entry.name.endswith("final"))
    assert "adapter for" in entry.summary


@needs_bitsandbytes
def test_a_run_of_qlora_is_chatted_with_on_the_packed_model(train: Train) -> None:
    tuned = train(**{**SETTINGS, "method": "qlora"})
    assert tuned.outcome.status == "finished", tuned.outcome
    assert tuned.eval_losses()[-1][1] < tuned.losses()[0][1]
    engine = Engine.load(locate(str(tuned.run.final_dir)))
    assert any(type(module).__name__ == "Linear4bit" for module in engine.model.modules())
    assert engine.reply("the old lamp", Sampling(max_new_tokens=4, temperature=0)).tokens > 0
    assert "nf4" in (tuned.run.final_dir / "README.md").read_text()


def test_settings_that_have_no_effect_are_told(train: Train) -> None:
    told = train(lora_r=8, max_steps=1)
    assert any("lora_r has no effect with method: full" in str(event.get("message")) for event in told.events)


def test_what_does_not_go_together_ends_before_the_model_is_loaded(train: Train) -> None:
    refused = train(method="lora", lora_target_modules="lm_head")
    assert refused.outcome.status == "failed"
    assert "lora_target_modules" in refused.outcome.error.message
    assert not any(event.get("label") == "Reading data.jsonl" for event in refused.events)


def test_with_half_precision_the_model_is_kept_in_it_and_the_adapter_in_fp32(train: Train) -> None:
    half = train("half", **{**SETTINGS, "precision": "bf16", "max_steps": 6})
    assert half.outcome.status == "finished", half.outcome
    assert half.losses()[-1][1] < half.losses()[0][1]
    assert not any("apart" in str(event.get("message")) for event in half.events)
    weights = load_file(half.run.final_dir / "adapter_model.safetensors")
    assert {weight.dtype for weight in weights.values()} == {torch.float32}
