"""The script that a run is written as gives the run's losses, to the last digit."""

from __future__ import annotations

import json
import runpy
from collections.abc import Iterator
from pathlib import Path

import pytest
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from tests.tiny import sentences, write_jsonl
from tests.training.conftest import Train, Trained
from tui_finetune.config.schema import settings
from tui_finetune.errors import UserError
from tui_finetune.export.script.build import USED, WITHOUT_EFFECT
from tui_finetune.export.script.target import Script
from tui_finetune.export.subject import subject_of
from tui_finetune.export.target import Made, export_to

Losses = list[tuple[int, float]]

SHORT = {
    "max_steps": 6,
    "eval_strategy": "steps",
    "eval_steps": 3,
    "logging_steps": 1,
    "gradient_accumulation_steps": 2,
}


def silent(*_: object) -> None:
    """Nobody watches."""


@pytest.fixture(autouse=True)
def usual_attention() -> Iterator[None]:
    """A script registers an attention of its own, which stays in its process."""
    yield
    AttentionInterface.register("sdpa", sdpa_attention_forward)


def exported(trained: Trained, place: Path) -> Made:
    return export_to(Script(), subject_of(trained.run), place / "script", silent)


def losses_of_script(folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Losses, Losses]:
    """Run a script as a person does, in its folder; training and evaluation losses by step."""
    monkeypatch.chdir(folder)
    runpy.run_path("train.py", run_name="__main__")
    history = json.loads((folder / "checkpoints" / "trainer_state.json").read_text())["log_history"]
    training = [(entry["step"], entry["loss"]) for entry in history if "loss" in entry]
    return training, [(entry["step"], entry["eval_loss"]) for entry in history if "eval_loss" in entry]


def assert_same_losses(trained: Trained, place: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Also that the rows are made by the script itself; returns its text."""
    made = exported(trained, place)
    assert "token for token" in made.notes[0], made.notes
    training, evaluation = losses_of_script(place / "script", monkeypatch)
    assert training == trained.losses()
    assert evaluation == trained.eval_losses()
    assert len(training) >= 3
    return (place / "script" / "train.py").read_text()


def test_packed_texts_with_dropout(train: Train, place: Path, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = sentences(40) + sentences(2, seed=5, least=80, most=90)  # some are longer than a row
    write_jsonl(place / "data.jsonl", texts)
    trained = train(**SHORT, model_name_or_path=str(models / "gpt2"))
    text = assert_same_losses(trained, place, monkeypatch)
    assert "def pack(" in text
    assert (place / "script" / "final" / "model.safetensors").is_file()


def test_conversations_for_a_model_without_a_template(
    train: Train, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = []
    for number, (ask, answer) in enumerate(zip(sentences(30, most=8), sentences(30, seed=1, most=9), strict=True)):
        turns = [{"role": "user", "content": ask}, {"role": "assistant", "content": answer}]
        system = [{"role": "system", "content": "Be brief."}] if number % 3 == 0 else []
        rows.append(json.dumps({"messages": system + turns * (1 + number % 2)}) + "\n")
    (place / "data.jsonl").write_text("".join(rows))
    text = assert_same_losses(train(**SHORT), place, monkeypatch)
    assert "apply_chat_template" in text
    assert "### Assistant" in (place / "script" / "chat_template.jinja").read_text()


def test_prompts_and_completions_padded_and_grouped(train: Train, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = zip(sentences(40, most=9), sentences(40, seed=1, most=9), strict=True)
    lines = [json.dumps({"prompt": ask, "completion": answer}) + "\n" for ask, answer in pairs]
    (place / "data.jsonl").write_text("".join(lines))
    settings = {"packing": False, "group_by_length": True, "validation_split": 6, "lr_scheduler_type": "cosine"}
    trained = train(**SHORT | settings)
    text = assert_same_losses(trained, place, monkeypatch)
    assert "GroupedByLength" in text
    assert "prompt_ends" in text


def test_the_tutorials_way_without_evaluation(train: Train, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_jsonl(place / "data.jsonl", [*sentences(30), ""])  # a blank text is a row there
    trained = train(preset="tutorial", max_steps=4, logging_steps=1, max_length=64, validation_split=0)
    text = assert_same_losses(trained, place, monkeypatch)
    assert "DataCollatorForLanguageModeling" in text
    assert "RunTrainer" not in text


@pytest.mark.parametrize(
    "chosen",
    [{"method": "lora", "lora_dropout": 0.1, "lora_r": 4}, {"method": "lora", "use_dora": True, "lora_target_modules": "q_proj,v_proj"}],
)  # fmt: skip
def test_adapters(train: Train, place: Path, monkeypatch: pytest.MonkeyPatch, chosen: dict[str, object]) -> None:
    text = assert_same_losses(train(**SHORT | chosen), place, monkeypatch)
    assert "LoraConfig(" in text
    assert (place / "script" / "final" / "adapter_model.safetensors").is_file()


def test_an_adapter_on_a_packed_model(train: Train, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("bitsandbytes")
    text = assert_same_losses(train(**SHORT, method="qlora"), place, monkeypatch)
    assert "BitsAndBytesConfig(" in text


def test_what_a_script_can_not_carry_out_is_refused(train: Train, place: Path) -> None:
    trained = train(**SHORT, method="lora", loraplus_lr_ratio=16.0)
    with pytest.raises(UserError, match="can't carry out loraplus_lr_ratio"):
        exported(trained, place)


def test_the_lists_of_settings_name_settings() -> None:
    """All others are refused where they are in use."""
    assert set(settings()) >= USED | WITHOUT_EFFECT
    assert not USED & WITHOUT_EFFECT


def test_rows_that_a_short_script_would_make_otherwise_go_along(
    train: Train, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The questions are trained on as well, which is nothing for a short script.
    turns = [{"role": "user", "content": "The old lamp?"}, {"role": "assistant", "content": "Kept its light."}]
    rows = [json.dumps({"messages": turns}) + "\n"] * 20
    (place / "data.jsonl").write_text("".join(rows))
    trained = train(**SHORT | {"assistant_only_loss": False})
    made = exported(trained, place)
    assert "as tokens" in made.notes[0]
    training, evaluation = losses_of_script(place / "script", monkeypatch)
    assert (training, evaluation) == (trained.losses(), trained.eval_losses())


def test_data_that_is_gone_is_said_and_nothing_is_left(train: Train, place: Path) -> None:
    trained = train(**SHORT)
    (place / "data.jsonl").unlink()
    with pytest.raises(UserError, match="data of the run is gone"):
        exported(trained, place)
    assert not any("script" in path.name for path in place.iterdir())


def test_nothing_that_is_there_is_overwritten(train: Train, place: Path) -> None:
    trained = train(**SHORT)
    (place / "script").mkdir()
    with pytest.raises(UserError, match="is there already"):
        exported(trained, place)
    assert list((place / "script").iterdir()) == []
