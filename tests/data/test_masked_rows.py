"""Prepared rows of every form learn what they should: the right labels, packed or padded, cut or left out."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.chat_templates import CHATML, PHI_3, chat_tokenizer
from tests.tiny_bytes import tiny_tokenizer
from tui_finetune.config.presets import preset
from tui_finetune.config.schema import RunConfig
from tui_finetune.data.chat_template.choose import ALPACA, PLAIN
from tui_finetune.data.open import open_dataset
from tui_finetune.data.prepare import PreparedData, prepare
from tui_finetune.data.preview import estimate_rows, preview
from tui_finetune.data.tokens.pack import IGNORED
from tui_finetune.errors import UserError

LENGTH = 64


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FINETUNE_TUI_CACHE", str(tmp_path / "cache"))


def write(folder: Path, rows: list[dict[str, Any]]) -> Path:
    path = folder / "d.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def prepared(path: Path, tokenizer: Any, length: int = LENGTH, **settings: Any) -> PreparedData:
    config = RunConfig(dataset_name=str(path), **{"validation_split": 0, **settings})
    return prepare(open_dataset(config), config, tokenizer, length)


def learned(data: PreparedData, tokenizer: Any) -> list[str]:
    """The runs of tokens that are learned in all rows, as text, sorted."""
    found = []
    for row in data.train.with_format(None):
        pairs = zip(row["input_ids"], row["labels"], strict=True)
        for known, group in itertools.groupby(pairs, key=lambda pair: pair[1] != IGNORED):
            if known:
                ids = [token for token, label in group if token == label]
                found.append(tokenizer.decode(ids))
    return sorted(found)


PAIRS = [{"prompt": f"{number}+1=", "completion": f" {number + 1}"} for number in range(40)]
TALKS = [
    {
        "messages": [
            {"role": "user", "content": f"q{number}"},
            {"role": "assistant", "content": f"a{number}" * (number % 4 + 1)},
        ]
    }
    for number in range(40)
]


@pytest.mark.parametrize("packing", [True, False])
def test_only_completions_are_learned_each_with_its_end(tmp_path: Path, packing: bool) -> None:
    tokenizer = tiny_tokenizer()
    data = prepared(write(tmp_path, PAIRS), tokenizer, packing=packing)
    assert learned(data, tokenizer) == sorted(f" {number + 1}</s>" for number in range(40))
    assert (data.chat_template, data.end_token) == (None, None)
    statistics = data.statistics
    assert statistics.trained_tokens == sum(len(row["completion"]) + 1 for row in PAIRS)
    assert statistics.tokens == sum(len(row["prompt"] + row["completion"]) + 1 for row in PAIRS)
    batch = data.collator([data.train[number] for number in range(len(data.train))])
    assert int((batch["labels"] != IGNORED).sum()) == statistics.trained_tokens


@pytest.mark.parametrize("packing", [True, False])
def test_only_replies_are_learned_each_with_its_end(tmp_path: Path, packing: bool) -> None:
    tokenizer = chat_tokenizer(CHATML)
    data = prepared(write(tmp_path, TALKS), tokenizer, packing=packing)
    assert learned(data, tokenizer) == sorted(row["messages"][1]["content"] + "<|im_end|>" for row in TALKS)
    # Every document ends with the token that ends a turn: nothing is added, nothing follows.
    for row in data.train.with_format("numpy"):
        starts = np.flatnonzero(row["position_ids"] == 0)[1:].tolist() if packing else []
        ends = [*(start - 1 for start in starts), len(row["input_ids"]) - 1]
        assert {tokenizer.decode([row["input_ids"][end]]) for end in ends} == {"<|im_end|>"}
    assert data.chat_template is None
    assert data.end_token == tokenizer.convert_tokens_to_ids("<|im_end|>")


def test_the_whole_text_is_learned_where_it_is_asked_for(tmp_path: Path) -> None:
    tokenizer = chat_tokenizer(CHATML)
    for rows, setting in ((TALKS, "assistant_only_loss"), (PAIRS, "completion_only_loss")):
        path = write(tmp_path, rows)
        whole, masked = prepared(path, tokenizer, **{setting: False}), prepared(path, tokenizer)
        assert whole.statistics.trained_tokens == whole.statistics.tokens == masked.statistics.tokens
        assert masked.statistics.trained_tokens < masked.statistics.tokens
        assert whole.fingerprint != masked.fingerprint


def test_a_changed_chat_template_is_never_served_from_the_cache(tmp_path: Path) -> None:
    path = write(tmp_path, TALKS)
    names = {prepared(path, chat_tokenizer(template)).fingerprint for template in (CHATML, PHI_3, None)}
    assert len(names) == 3


def test_a_base_model_gets_the_template_that_its_data_was_written_with(tmp_path: Path) -> None:
    assert prepared(write(tmp_path, TALKS), tiny_tokenizer()).chat_template == PLAIN
    alpaca = [{"instruction": "a", "input": "", "output": "b"}]
    assert prepared(write(tmp_path, alpaca), tiny_tokenizer(), 512).chat_template == ALPACA


LONG = [
    {"prompt": "p" * 10, "completion": "c" * 100},
    {"prompt": "p" * 100, "completion": "c"},
    {"prompt": "p" * 5, "completion": "c" * 5},
    {"prompt": "p" * 63, "completion": "c" * 10},
]


@pytest.mark.parametrize("strategy", ["split", "truncate"])
@pytest.mark.parametrize("packing", [True, False])
def test_long_examples_are_cut_at_the_end_and_counted(tmp_path: Path, strategy: str, packing: bool) -> None:
    tokenizer = tiny_tokenizer()
    data = prepared(write(tmp_path, LONG), tokenizer, packing=packing, excess_length_strategy=strategy)
    assert learned(data, tokenizer) == ["c", "ccccc</s>", "c" * 54]
    assert data.statistics.over_max_length == 3
    assert [(p.row, p.message) for p in data.problems] == [
        (2, "a row with nothing to train on within max_length tokens")
    ]
    assert data.statistics.left_out == 1
    config = RunConfig(dataset_name=str(tmp_path / "d.jsonl"), max_length=LENGTH, validation_split=0)
    assert preview(config, tokenizer).problems == data.problems
    assert any("3 rows are longer than 64 tokens, and cut off" in notice.message for notice in data.notices)


def test_long_examples_are_left_out_where_it_is_asked_for(tmp_path: Path) -> None:
    tokenizer = tiny_tokenizer()
    data = prepared(write(tmp_path, LONG), tokenizer, excess_length_strategy="drop")
    assert learned(data, tokenizer) == ["ccccc</s>"]
    assert data.statistics.left_out == 3


def test_where_all_that_is_to_be_learned_is_cut_off_it_says_so(tmp_path: Path) -> None:
    path = write(tmp_path, [LONG[1]] * 3)
    with pytest.raises(UserError, match="nothing is left to train on") as caught:
        prepared(path, tiny_tokenizer())
    assert "max_length" in caught.value.remedy


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"packing": False},
        {"excess_length_strategy": "drop"},
        {"packing": False, "validation_split": 3},
        {"completion_only_loss": False},
    ],
)
def test_the_rows_foretold_are_those_that_training_gets(tmp_path: Path, settings: dict[str, Any]) -> None:
    path = write(tmp_path, LONG * 10 + PAIRS)
    config = RunConfig(dataset_name=str(path), max_length=LENGTH, **settings)
    seen = preview(config, tiny_tokenizer())
    ready = prepare(open_dataset(config), config, tiny_tokenizer(), LENGTH)
    assert estimate_rows(seen, config) == ready.statistics.train_rows


def test_the_tutorial_preset_takes_every_form(tmp_path: Path) -> None:
    tokenizer = chat_tokenizer(CHATML)
    tokenizer.pad_token = tokenizer.eos_token
    settings: dict[str, Any] = {**preset("tutorial").values, "max_length": LENGTH}
    data = prepared(write(tmp_path, TALKS), tokenizer, **settings)
    assert data.statistics.eval_rows == 4
    batch = data.collator([data.train[0], data.train[1]])
    assert batch["input_ids"].shape == (2, LENGTH)
    unpadded = prepared(write(tmp_path, PAIRS), tokenizer, **settings)
    assert all("</s>" not in text for text in learned(unpadded, tokenizer))


def test_a_tokenizer_that_cannot_tell_places_is_refused_with_a_way_out(tmp_path: Path) -> None:
    tokenizer = tiny_tokenizer()
    slow = type("Slow", (type(tokenizer),), {"is_fast": False})
    tokenizer.__class__ = slow
    with pytest.raises(UserError, match="can't tell which tokens") as caught:
        prepared(write(tmp_path, PAIRS), tokenizer)
    assert "train_on_inputs" in caught.value.remedy
    assert prepared(write(tmp_path, PAIRS), tokenizer, completion_only_loss=False).statistics.documents == 40


def test_the_preview_shows_what_is_learned(tmp_path: Path) -> None:
    path = write(tmp_path, TALKS)
    found: dict[str, Any] = preview(RunConfig(dataset_name=str(path)), chat_tokenizer(CHATML)).to_json()
    assert found["format"] == "messages"
    assert "the model's chat template" in found["reason"]
    assert found["examples"][1] == [
        {"text": "<|im_start|>user\nq1<|im_end|>\n<|im_start|>assistant\n", "trained": False},
        {"text": "a1a1<|im_end|>", "trained": True},
    ]
    assert 0 < found["trained_tokens"] < found["tokens"]
    without: dict[str, Any] = preview(RunConfig(dataset_name=str(path))).to_json()
    assert "plain template" in without["reason"]
    assert without["examples"][1][0]["text"] == "### User:\nq1\n\n### Assistant:\n"
