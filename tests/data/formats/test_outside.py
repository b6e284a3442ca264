"""What data says about itself is honored: labels, turns that are not trained on, pictures, thoughts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.chat_templates import CHATML, DEEPSEEK, GPT_OSS, QWEN_3, chat_tokenizer
from tui_finetune.config.schema import RunConfig
from tui_finetune.data.open import open_dataset
from tui_finetune.data.prepare import prepare
from tui_finetune.data.preview import preview
from tui_finetune.data.previewed import Preview
from tui_finetune.errors import UserError


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FINETUNE_TUI_CACHE", str(tmp_path / "cache"))


def seen(tmp_path: Path, rows: list[dict[str, Any]], tokenizer: Any = None, **settings: Any) -> Preview:
    """The preview of a file with these rows."""
    path = tmp_path / "d.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return preview(RunConfig(dataset_name=str(path), **settings), tokenizer)


def learned(data: Preview) -> list[list[str]]:
    return [[segment.text for segment in example if segment.trained] for example in data.examples]


def turns(*said: str, **more: Any) -> list[dict[str, Any]]:
    """User and assistant by turns; the last turn has what else is given."""
    result: list[dict[str, Any]] = [
        {"role": ("user", "assistant")[n % 2], "content": text} for n, text in enumerate(said)
    ]
    result[-1] |= more
    return result


PAIRS = [{"prompt": "q", "completion": "good", "label": True}, {"prompt": "q", "completion": "bad", "label": False}]
TALKS = [{"messages": turns("q", "good"), "kto_tag": True}, {"messages": turns("q", "bad"), "kto_tag": False}]


@pytest.mark.parametrize(("rows", "column"), [(PAIRS, "label"), (TALKS, "kto_tag")])
def test_w4_bad_replies_are_refused_or_left_out(tmp_path: Path, rows: list[dict[str, Any]], column: str) -> None:
    with pytest.raises(UserError, match=f"the column '{column}' tells good replies from bad ones") as error:
        seen(tmp_path, rows)
    assert f"set dataset_label_field: {column}" in error.value.remedy
    data = seen(tmp_path, rows, dataset_label_field=column)
    assert ["good" in text for text in map(str, learned(data))] == [True]
    assert [p.message for p in data.problems if p.remedy == "left out"] == [f"a row with '{column}' not true"]


def test_w4_a_label_of_another_kind_is_no_matter(tmp_path: Path) -> None:
    seen(tmp_path, [{"prompt": "q", "completion": "a", "label": "sports"}] * 2)
    seen(tmp_path, [{"text": "q", "label": False}] * 2)
    with pytest.raises(UserError, match="holds no true and false"):
        seen(tmp_path, [{"prompt": "q", "completion": "a", "label": "sports"}], dataset_label_field="label")


def test_w4_a_table_of_text_has_labels_too(tmp_path: Path) -> None:
    path = tmp_path / "d.csv"
    path.write_text("prompt,completion,label\nq,good,True\nq,bad,False\n")
    with pytest.raises(UserError, match="good replies from bad"):
        preview(RunConfig(dataset_name=str(path)))
    assert learned(preview(RunConfig(dataset_name=str(path), dataset_label_field="label"))) == [["good"]]


@pytest.mark.parametrize("key", ["training", "train", "weight", "loss_weight"])
def test_w5_a_turn_that_is_not_trained_on_is_only_read(tmp_path: Path, key: str) -> None:
    told = turns("a", "unlearned", **{key: 0 if "weight" in key else False}) + turns("b", "learned")
    [texts] = learned(seen(tmp_path, [{"messages": told}]))
    assert "learned" in "".join(texts)
    assert "unlearned" not in "".join(texts)


@pytest.mark.parametrize(("column", "value"), [("images", ["a.png"]), ("audio", "a.wav"), ("videos", [{"path": "v"}])])
def test_w6_columns_of_pictures_and_sounds_are_refused(tmp_path: Path, column: str, value: object) -> None:
    with pytest.raises(UserError, match=f"the column '{column}' holds .* which a language model can't read"):
        seen(tmp_path, [{"messages": turns("what is it?", "a cat"), column: value}])
    with pytest.raises(UserError) as error:
        seen(tmp_path, [{"text": "a caption", column: value}])
    assert error.value.remedy.endswith("set dataset_format: text")
    assert seen(tmp_path, [{"text": "a caption", column: value}], dataset_format="text").rows == 1


def test_w6_placeholders_are_no_text(tmp_path: Path) -> None:
    rows = [{"messages": turns(text, "a cat")} for text in ("<image>\nwhat is it?", "what is it? <image>", "plain")]
    html = [{"messages": turns("<video>\n<source src='a'>\n</video>", "an element of HTML")}]
    data = seen(tmp_path, rows + html)
    assert data.documents == 2
    assert [p.message for p in data.problems] == [
        "2 rows with a placeholder for an image, a sound or a video, first here"
    ]
    with pytest.raises(UserError, match="placeholder for an image"):
        seen(tmp_path, [{"prompt": "<image>\nwhat?", "completion": "a cat"}])


THOUGHTFUL = [
    {"role": "user", "content": "a"},
    {"role": "assistant", "reasoning_content": "first thought", "content": "b"},
    {"role": "user", "content": "c"},
    {"role": "assistant", "content": "<think>\nsecond thought\n</think>\n\nd"},
]


@pytest.mark.parametrize("template", [QWEN_3, DEEPSEEK, CHATML])
def test_w8_thoughts_that_the_template_drops_can_be_kept(tmp_path: Path, template: str) -> None:
    tokenizer = chat_tokenizer(template)
    dropped = seen(tmp_path, [{"messages": THOUGHTFUL}], tokenizer)
    assert "first thought" not in str(dropped.examples)
    assert "preserve_thinking: true" in dropped.problems[0].remedy
    kept = seen(tmp_path, [{"messages": THOUGHTFUL}], tokenizer, preserve_thinking=True)
    [texts] = learned(kept)
    assert "<think>\nfirst thought\n</think>\n\nb" in texts[0]
    assert "<think>\nsecond thought\n</think>\n\nd" in texts[1]
    assert not [p for p in kept.problems if "thoughts" in p.message]


def test_w8_where_thoughts_are_turns_of_their_own_it_is_said_that_they_are_lost(tmp_path: Path) -> None:
    kept = seen(
        tmp_path, [{"messages": THOUGHTFUL[:2] + turns("c", "d")}], chat_tokenizer(GPT_OSS), preserve_thinking=True
    )
    assert "first thought" not in str(kept.examples)
    assert "can't be made to keep them" in kept.problems[0].remedy


def test_w8_kept_thoughts_are_rows_of_their_own_in_the_cache(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    path.write_text(json.dumps({"messages": THOUGHTFUL}) + "\n")
    trained = []
    for keeps in (False, True):
        config = RunConfig(dataset_name=str(path), validation_split=0, preserve_thinking=keeps)
        data = prepare(open_dataset(config), config, chat_tokenizer(QWEN_3), 512)
        trained.append(data.statistics.trained_tokens)
    assert trained[1] > trained[0]
