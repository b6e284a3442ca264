"""Rows as they are shown token by token: exactly what training gets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.tiny import make_tokenizer
from tui_finetune.config.schema import RunConfig
from tui_finetune.data.open import open_dataset
from tui_finetune.data.prepare import prepare
from tui_finetune.data.preview import preview
from tui_finetune.data.previewed import Preview
from tui_finetune.models.loading import load_tokenizer
from tui_finetune.models.located import locate

ROWS: dict[str, list[dict[str, Any]]] = {
    "text": [{"text": "the fox sees\nthe dog " * n} for n in (1, 2, 3, 4)],
    "prompt-completion": [{"prompt": "the cat sees", "completion": " the old dog" * n} for n in (1, 2, 3, 4)],
    "messages": [
        {
            "messages": [
                {"role": "user", "content": "Who sleeps?"},
                {"role": "assistant", "content": "The cat."},
                {"role": "user", "content": "And who " + "really " * n + "sees it?"},
                {"role": "assistant", "content": "The dog."},
            ]
        }
        for n in (1, 2, 3, 4)
    ],
}


@pytest.fixture
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FINETUNE_TUI_CACHE", str(tmp_path / "cache"))
    return tmp_path


def seen_and_config(folder: Path, form: str, tokenizer: Any, **settings: Any) -> tuple[Preview, RunConfig]:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS[form]))
    config = RunConfig(dataset_name=str(path), validation_split=0, max_length=128, **settings)
    return preview(config, tokenizer), config


@pytest.mark.parametrize("form", ROWS)
def test_a_row_is_shown_with_the_labels_that_training_gets(cached: Path, form: str) -> None:
    tokenizer = load_tokenizer(locate("starter"))
    seen, config = seen_and_config(cached, form, tokenizer, packing=False)
    assert seen.format == form
    data = prepare(open_dataset(config), config, tokenizer, 128)
    assert len(seen.example_tokens) == len(data.train) == 4
    for shown, row in zip(seen.example_tokens, data.train, strict=True):
        batch = data.collator([row])
        ids, labels = batch["input_ids"][0].tolist(), batch["labels"][0].tolist()
        assert len(shown) == len(ids)
        # No loss is computed for the first token, whatever its label.
        assert not shown[0].trained
        assert [token.trained for token in shown[1:]] == [label != -100 for label in labels[1:]]
        assert "".join(token.text for token in shown) == tokenizer.decode(ids)
        assert [token.special for token in shown] == [number in tokenizer.all_special_ids for number in ids]
        assert shown[-1].special, "the token that ends it"
        assert shown[-1].trained


@pytest.mark.parametrize("form", ROWS)
def test_a_packed_row_is_one_that_packing_makes(cached: Path, form: str) -> None:
    tokenizer = load_tokenizer(locate("starter"))
    seen, config = seen_and_config(cached, form, tokenizer)
    data = prepare(open_dataset(config), config, tokenizer, 128)
    documents = seen.packed_row
    assert len(documents) > 1
    shown = [token for document in documents for token in document]
    rows = [
        [label != -100 for label in row["labels"].tolist()] for row in data.train if len(row["labels"]) == len(shown)
    ]
    assert [token.trained for token in shown] in rows
    assert all(not document[0].trained for document in documents), "it would be predicted from another document"
    assert seen.steps_per_epoch == 1
    assert seen.padding is not None
    assert 0 < seen.padding < 1
    json.dumps(seen.to_json())


def test_parts_of_characters_and_special_tokens_go_by_their_names(tmp_path: Path) -> None:
    from tui_finetune.data.tokens.view import TokenReader

    tokenizer = make_tokenizer(tmp_path)
    ids = tokenizer("the é")["input_ids"] + [tokenizer.eos_token_id]
    shown = TokenReader(tokenizer).read(ids, [-100] * (len(ids) - 1) + [ids[-1]])
    assert shown[-1].text == tokenizer.eos_token
    assert all(token.text and "\ufffd" not in token.text for token in shown)
    assert [token.trained for token in shown] == [False] * (len(ids) - 1) + [True]
