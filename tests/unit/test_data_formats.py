"""The column with the text is found, with the reason in words; where it can't be, the columns are listed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from datasets import ClassLabel, Dataset, Features, Value

from tui_finetune.config import RunConfig
from tui_finetune.data.formats import recognise
from tui_finetune.data.segments import Segment
from tui_finetune.data.sources import Source, open_dataset
from tui_finetune.errors import UserError


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FINETUNE_TUI_CACHE", str(tmp_path / "cache"))


def source_of(tmp_path: Path, *rows: dict[str, Any]) -> Source:
    path = tmp_path / "data.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return open_dataset(RunConfig(dataset_name=str(path)))


@pytest.mark.parametrize(
    ("row", "settings", "column", "reason"),
    [
        ({"id": "a", "text": "b", "content": "c"}, {}, "text", "there is a column called 'text'"),
        ({"id": "a", "content": "c"}, {}, "content", "there is a column called 'content'"),
        ({"id": 1, "story": "c"}, {}, "story", "'story' is the only column of text"),
        ({"text": "b", "story": "c"}, {"dataset_text_field": "story"}, "story", "the column 'story' was chosen"),
        ({"messages": [], "title": "c"}, {"dataset_format": "text"}, "title", "is the only column of text"),
        ({"prompt": "b", "completion": "c"}, {"dataset_text_field": "prompt"}, "prompt", "was chosen"),
    ],
)
def test_the_text_column_is_found(
    tmp_path: Path, row: dict[str, Any], settings: dict[str, Any], column: str, reason: str
) -> None:
    config = RunConfig(**settings)
    for rows in (source_of(tmp_path, row), Dataset.from_list([row])):
        found = recognise(rows, config)
        assert found.mapping == {"text": column}
        assert reason in found.reason
        assert found.example(row) == [Segment(row[column], True)]


@pytest.mark.parametrize(
    ("row", "settings", "message", "remedy"),
    [
        ({"title": "a", "body": "longer"}, {}, "There are: title, body", "for instance to 'body'"),
        ({"text": "a"}, {"dataset_text_field": "txt"}, "no column 'txt'; there are: text", "did you mean 'text'?"),
        ({"id": 1, "n": 2.5}, {}, "no column holds text; there are: id, n", "choose data"),
        ({"text": 5, "b": "x"}, {}, "the column 'text' holds a number", "one of: b"),
        ({"text": ["a"], "b": "x"}, {}, "the column 'text' holds a list", "one of: b"),
        ({"messages": [{"role": "user", "content": "a"}]}, {}, "the form 'messages', which can't be", "'text'"),
        ({"conversations": [{"from": "human", "value": "a"}]}, {}, "the form 'sharegpt'", "'text'"),
        ({"prompt": "a", "completion": "b"}, {}, "the form 'prompt-completion'", "dataset_text_field"),
        ({"instruction": "a", "input": "", "output": "b"}, {}, "the form 'alpaca'", "dataset_text_field"),
    ],
)
def test_what_is_not_text_is_said_with_the_columns(
    tmp_path: Path, row: dict[str, Any], settings: dict[str, Any], message: str, remedy: str
) -> None:
    for rows in (source_of(tmp_path, row), Dataset.from_list([row])):
        with pytest.raises(UserError) as caught:
            recognise(rows, RunConfig(**settings))
        assert message in caught.value.message
        assert remedy in caught.value.remedy
        assert (caught.value.setting or "").startswith("dataset_")


def test_a_class_label_is_no_text() -> None:
    features = Features({"review": Value("string"), "label": ClassLabel(names=["bad", "good"])})
    rows = Dataset.from_dict({"review": ["fine"], "label": [1]}, features=features)
    assert recognise(rows, RunConfig()).mapping == {"text": "review"}


def test_rows_without_text_have_no_example() -> None:
    found = recognise(Dataset.from_dict({"text": ["a"]}), RunConfig())
    assert found.example({"text": None}) is None
    assert found.example({}) is None
    assert found.example({"text": " \n"}) is None
    assert found.example({"text": ""}, keep_blank=True) == [Segment("", True)]
    assert found.example({"text": None}, keep_blank=True) is None
