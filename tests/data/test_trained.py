"""A model that was taught conversations is saved with the template it was taught by, and with the token it ends at."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer, GenerationConfig

from tests.chat_templates import CHATML
from tests.events import raw_events
from tests.tiny import make_model
from tui_finetune.config.resolve import resolve
from tui_finetune.data.chat_template.choose import PLAIN
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.training.session import TrainingSession

TALK = [{"role": "user", "content": "the ship"}, {"role": "assistant", "content": "the sea"}]
ROWS: dict[str, tuple[dict[str, Any], str | None]] = {
    "messages": ({"messages": TALK}, PLAIN),
    "prompt-completion": ({"prompt": "the ship ", "completion": "the sea"}, None),
}


def train(place: Path, model: Path, row: Any) -> RunDirectory:
    data = place / "d.jsonl"
    data.write_text((json.dumps(row) + "\n") * 12)
    run = RunDirectory(place / "run")
    run.create()
    settings = {
        "model_name_or_path": str(model),
        "dataset_name": str(data),
        "max_steps": 2,
        "eval_strategy": "no",
        "save_strategy": "no",
        "max_length": 64,
        "excess_length_strategy": "truncate",
    }
    outcome = TrainingSession(resolve(settings), run).run()
    assert outcome.status == "finished", outcome.error
    return run


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("STATE", "CACHE"):
        monkeypatch.setenv(f"FINETUNE_TUI_{name}", str(tmp_path / name))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return tmp_path


@pytest.mark.parametrize("name", ROWS)
def test_the_template_of_a_base_model_is_saved_with_what_it_learned(place: Path, name: str) -> None:
    row, template = ROWS[name]
    run = train(place, make_model(place / "model"), row)
    tokenizer = AutoTokenizer.from_pretrained(run.final_dir)
    assert (tokenizer.chat_template or "").rstrip("\n") == (template or "").rstrip("\n")
    said = [event for event in raw_events(run.events_path) if event["type"] == "metrics" and "loss" in event]
    assert all(event["loss"] > 0 for event in said)


def test_what_ends_a_turn_ends_generation_too(place: Path) -> None:
    model = make_model(place / "model", pad=True)
    tokenizer = AutoTokenizer.from_pretrained(model)
    tokenizer.chat_template = CHATML.replace("<|im_end|>", "<|pad|>")
    tokenizer.save_pretrained(model)
    run = train(place, model, {"messages": TALK})
    ends = GenerationConfig.from_pretrained(run.final_dir).eos_token_id
    assert set(ends) == {tokenizer.pad_token_id, tokenizer.eos_token_id}
