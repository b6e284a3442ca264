"""The form of data is recognized, with the reason in words; where it can't be, the columns are listed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from datasets import ClassLabel, Dataset, Features, Value

from tui_finetune.config.schema import RunConfig
from tui_finetune.data.examples import RowTransform
from tui_finetune.data.formats.recognize import recognize
from tui_finetune.data.formats.spec import FORMATS
from tui_finetune.data.open import open_dataset
from tui_finetune.data.segments import Example, Segment, Unfit
from tui_finetune.data.source import Source
from tui_finetune.errors import UserError


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FINETUNE_TUI_CACHE", str(tmp_path / "cache"))


def source_of(tmp_path: Path, *rows: dict[str, Any]) -> Source:
    path = tmp_path / "data.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return open_dataset(RunConfig(dataset_name=str(path)))


def example(rows: Any, row: dict[str, Any], *, keep_blank: bool = False, **settings: Any) -> Example:
    """The document in a row, where there is no tokenizer yet."""
    config = RunConfig(**settings)
    return RowTransform(recognize(rows, config), config, None).example(row, keep_blank=keep_blank)


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
        found = recognize(rows, config)
        assert found.mapping == {"text": column}
        assert reason in found.reason
        assert example(rows, row, **settings) == [Segment(row[column], True)]


@pytest.mark.parametrize(
    ("row", "settings", "message", "remedy"),
    [
        ({"title": "a", "body": "longer"}, {}, "There are: title, body", "for instance to 'body'"),
        ({"text": "a"}, {"dataset_text_field": "txt"}, "no column 'txt'; there are: text", "did you mean 'text'?"),
        ({"id": 1, "n": 2.5}, {}, "no column holds text; there are: id, n", "choose data"),
        ({"text": 5, "b": "x"}, {}, "the column 'text' holds a number", "one of: b"),
        ({"text": ["a"], "b": "x"}, {}, "the column 'text' holds a list", "one of: b"),
        ({"a": 1, "b": "x"}, {"dataset_format": "messages"}, "no column holds turns", "dataset_messages_field"),
        ({"a": "x", "b": "y"}, {"dataset_messages_field": "a"}, "'a' holds no turns", "there are: a, b"),
        ({"a": "x", "b": "y"}, {"dataset_messages_field": "c"}, "no column 'c'", "did you mean"),
        ({"a": "x", "b": "y"}, {"dataset_format": "alpaca"}, "which column holds the prompt", "dataset_prompt_field"),
        (
            {"prompt": "x", "b": "y"},
            {"dataset_format": "prompt-completion"},
            "which column holds the completion",
            "dataset_completion_field",
        ),
        ({"prompt": "x", "b": ["y"]}, {"dataset_completion_field": "b"}, "the column 'b' holds a list", "prompt"),
    ],
)
def test_what_is_not_text_is_said_with_the_columns(
    tmp_path: Path, row: dict[str, Any], settings: dict[str, Any], message: str, remedy: str
) -> None:
    for rows in (source_of(tmp_path, row), Dataset.from_list([row])):
        with pytest.raises(UserError) as caught:
            recognize(rows, RunConfig(**settings))
        assert message in caught.value.message
        assert remedy in caught.value.remedy
        assert (caught.value.setting or "").startswith("dataset_")


def test_a_class_label_is_no_text() -> None:
    features = Features({"review": Value("string"), "label": ClassLabel(names=["bad", "good"])})
    rows = Dataset.from_dict({"review": ["fine"], "label": [1]}, features=features)
    assert recognize(rows, RunConfig()).mapping == {"text": "review"}


def test_rows_without_text_have_no_example() -> None:
    rows = Dataset.from_dict({"text": ["a"]})
    for row in ({"text": None}, {}, {"text": " \n"}):
        with pytest.raises(Unfit, match="no text"):
            example(rows, row)
    assert example(rows, {"text": ""}, keep_blank=True) == [Segment("", True)]
    with pytest.raises(Unfit, match="no text"):
        example(rows, {"text": None}, keep_blank=True)


TALK = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
SHARED = [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]


@pytest.mark.parametrize(
    ("row", "settings", "name", "mapping", "reason"),
    [
        ({"messages": TALK, "prompt": "a"}, {}, "messages", {"messages": "messages"}, "role and content"),
        ({"id": "1", "dialog": TALK}, {}, "messages", {"messages": "dialog"}, "'dialog' holds turns"),
        (
            {"conversations": SHARED, "system": "s", "tools": "[]"},
            {},
            "sharegpt",
            {"messages": "conversations", "system": "system", "tools": "tools"},
            "from and value",
        ),
        ({"conversations": TALK}, {}, "messages", {"messages": "conversations"}, "role and content"),
        ({"a": TALK, "b": SHARED}, {"dataset_messages_field": "b"}, "sharegpt", {"messages": "b"}, "from and value"),
        (
            {"prompt": "a", "completion": "b"},
            {},
            "prompt-completion",
            {"prompt": "prompt", "completion": "completion"},
            "joined as they stand",
        ),
        (
            {"prompt": TALK[:1], "completion": TALK[1:]},
            {},
            "prompt-completion",
            {"prompt": "prompt", "completion": "completion"},
            "hold turns",
        ),
        (
            {"instruction": "a", "response": "b"},
            {},
            "prompt-completion",
            {"prompt": "instruction", "completion": "response"},
            "a question and its reply",
        ),
        (
            {"Question": "a", "Answer": "b", "id": 5},
            {},
            "prompt-completion",
            {"prompt": "Question", "completion": "Answer"},
            "a question and its reply",
        ),
        ({"question": "a", "answer": 4}, {}, "prompt-completion", {"prompt": "question", "completion": "answer"}, ""),
        (
            {"frage": "a", "antwort": "b"},
            {"dataset_prompt_field": "frage", "dataset_completion_field": "antwort"},
            "prompt-completion",
            {"prompt": "frage", "completion": "antwort"},
            "a question and its reply",
        ),
        (
            {"instruction": "a", "input": "", "output": "b", "text": "c"},
            {},
            "alpaca",
            {"instruction": "instruction", "input": "input", "output": "output"},
            "dataset_format: text would",
        ),
        (
            {"instruction": "a", "context": "c", "response": "b"},
            {},
            "alpaca",
            {"instruction": "instruction", "input": "context", "output": "response"},
            "there are the columns",
        ),
        (
            {"q": "a", "about": "c", "r": "b"},
            {"dataset_prompt_field": "q", "dataset_input_field": "about", "dataset_completion_field": "r"},
            "alpaca",
            {"instruction": "q", "input": "about", "output": "r"},
            "there are the columns",
        ),
        (
            {"prompt": "a", "completion": "b"},
            {"dataset_format": "alpaca"},
            "alpaca",
            {"instruction": "prompt", "output": "completion"},
            "",
        ),
        ({"question": "a", "answer": "b", "text": "c"}, {}, "text", {"text": "text"}, "a column called 'text'"),
    ],
)
def test_every_usual_form_is_recognized_with_its_columns(
    tmp_path: Path, row: dict[str, Any], settings: dict[str, Any], name: str, mapping: dict[str, str], reason: str
) -> None:
    for rows in (source_of(tmp_path, row), Dataset.from_list([row])):
        found = recognize(rows, RunConfig(**settings))
        assert (found.name, found.mapping) == (name, mapping)
        assert reason.replace("would", "to take") in found.reason
        assert example(rows, row, **settings)


def test_lists_written_as_json_in_a_table_are_turns(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    written = json.dumps(TALK).replace('"', '""')
    path.write_text(f'messages\n"{written}"\n')
    source = open_dataset(RunConfig(dataset_name=str(path)))
    assert recognize(source, RunConfig()).name == "messages"


def test_a_column_of_text_and_lists_cannot_be_a_prompt(tmp_path: Path) -> None:
    source = source_of(tmp_path, {"prompt": "a", "completion": "b"}, {"prompt": ["x"], "completion": "b"})
    with pytest.raises(UserError, match="'prompt' holds a list, sometimes text"):
        recognize(source, RunConfig(dataset_format="prompt-completion"))


def test_prompt_and_completion_are_joined_and_only_the_completion_is_learned(tmp_path: Path) -> None:
    row = {"prompt": "2+2=", "completion": " 4"}
    source = source_of(tmp_path, row)
    assert example(source, row) == [Segment("2+2=", False), Segment(" 4", True)]
    assert example(source, {"prompt": "", "completion": "x"}) == [Segment("x", True)]
    assert example(source, row, completion_only_loss=False) == [Segment("2+2= 4", True)]
    assert example(source, row, assistant_only_loss=False) == [Segment("2+2=", False), Segment(" 4", True)]
    for bad in ({"prompt": None, "completion": "x"}, {"prompt": "a", "completion": " "}, {"prompt": "a"}):
        with pytest.raises(Unfit, match="no text in"):
            example(source, bad)


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
def test_the_row_that_explains_a_form_is_of_this_form(tmp_path: Path, form: Any) -> None:
    row = json.loads(form.row)
    source = source_of(tmp_path, row)
    assert recognize(source, RunConfig()).name == form.name
    assert example(source, row)[-1].trained
