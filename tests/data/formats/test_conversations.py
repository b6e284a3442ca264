"""Rows of every usual form become conversations; rows that make no sense are told apart, counted and left out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset

from tests.chat_templates import CHATML, chat_tokenizer
from tests.tiny_bytes import tiny_tokenizer
from tui_finetune.config.schema import RunConfig
from tui_finetune.data.examples import RowTransform
from tui_finetune.data.formats.conversations import conversation, in_order
from tui_finetune.data.formats.recognize import recognize
from tui_finetune.data.formats.spec import Format
from tui_finetune.data.open import open_dataset
from tui_finetune.data.prepare import prepare
from tui_finetune.data.preview import preview
from tui_finetune.data.segments import Unfit, plain_text
from tui_finetune.errors import UserError

TURNS = Format("messages", "", {"messages": "m"}, turns=True)


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FINETUNE_TUI_CACHE", str(tmp_path / "cache"))


def user(text: Any) -> dict[str, Any]:
    return {"role": "user", "content": text}


def assistant(text: Any, **others: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": text, **others}


def system(text: Any) -> dict[str, Any]:
    return {"role": "system", "content": text}


@pytest.mark.parametrize(
    ("turns", "what"),
    [
        (None, "no turns"),
        ([], "no assistant turn"),
        ("hello", "turns that are not a list"),
        ([user("a")], "no assistant"),
        ([assistant("a")], "begins with an assistant turn"),
        ([system("s"), assistant("a")], "begins with an assistant turn"),
        ([user("a"), user("b"), assistant("c")], "a user turn after a user turn"),
        ([user("a"), assistant("b"), assistant("c")], "an assistant turn after an assistant turn"),
        ([user("a"), system("s"), assistant("b")], "a system message in the middle"),
        ([user("a"), {"role": "tool", "content": "x"}, assistant("b")], "a tool turn after a user turn"),
        ([user("a"), assistant("")], "an empty assistant turn"),
        ([user(" "), assistant("b")], "an empty user turn"),
        ([user(None), assistant("b")], "no content in a user turn"),
        ([user("a"), assistant(None)], "no content in an assistant turn"),
        ([{"role": "bird", "content": "a"}, assistant("b")], "an unknown role 'bird'"),
        ([{"content": "a"}, assistant("b")], "without 'role'"),
        (["a", "b"], "a turn that is not an object"),
        ([user([{"type": "image", "url": "x"}]), assistant("b")], "more than text"),
        ([user("a"), assistant("", tool_calls=[{"function": {}}])], "a tool call without a name"),
        ([user("a"), assistant("", tool_calls=[{"function": {"name": "f", "arguments": "{"}}])], "are not JSON"),
    ],
)
def test_turns_that_make_no_sense_are_named(turns: Any, what: str) -> None:
    for value in (turns, json.dumps(turns)) if isinstance(turns, list) else (turns,):
        with pytest.raises(Unfit, match=what):
            conversation({"m": value}, TURNS)


def test_roles_and_keys_of_other_tools_are_known() -> None:
    call = {"name": "f", "arguments": {"x": 1}}
    turns = [
        {"from": "system", "value": "s"},
        {"from": "human", "value": "a"},
        {"from": "function_call", "value": json.dumps(call)},
        {"from": "observation", "value": "1"},
        {"from": "gpt", "value": "b"},
    ]
    messages, tools, cut = conversation({"m": turns}, TURNS)
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "tool", "assistant"]
    assert messages[2] == assistant("", tool_calls=[{"type": "function", "function": call}])
    assert (tools, cut) == (None, 0)
    odd, _, _ = conversation({"m": [user("a"), {"from": "function_call", "value": "no JSON"}]}, TURNS)
    assert odd[1] == assistant("no JSON")


def test_what_tables_add_to_objects_is_taken_away() -> None:
    """A table gives every object the keys of all."""
    row = {"role": "assistant", "content": "b", "tool_calls": None, "name": None}
    old = {"role": ["user", "assistant"], "content": ["a", "b"]}
    assert conversation({"m": [{**row, **user("a")}, row]}, TURNS)[0] == [user("a"), assistant("b")]
    assert conversation({"m": old}, TURNS)[0] == [user("a"), assistant("b")]


def test_what_follows_the_last_reply_is_left_out_and_an_empty_system_is_none() -> None:
    messages, _, cut = conversation({"m": [system(" "), user("a"), assistant("b"), user("c")]}, TURNS)
    assert messages == [user("a"), assistant("b")]
    assert cut == 1


def test_parts_of_a_text_are_put_together_and_weights_are_heeded() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    messages, _, _ = conversation(
        {"m": [user(parts), assistant("c", weight=0), user("d"), assistant("e", weight=1)]}, TURNS
    )
    assert messages[0]["content"] == "ab"
    assert [message.get("trained", True) for message in messages] == [True, False, True, True]
    assert in_order([user("a"), assistant("b")])


ALPACA = Format(
    "alpaca", "", {"instruction": "i", "input": "n", "output": "o", "history": "h", "system": "s"}, turns=True
)


def read(row: dict[str, Any], template: str | None) -> str:
    tokenizer = chat_tokenizer(template)
    example = RowTransform(ALPACA, RunConfig(), tokenizer).example(row)
    return "".join(f"[{segment.text}]" if segment.trained else segment.text for segment in example)


def test_alpaca_has_its_own_prompts_on_a_base_model() -> None:
    assert read({"i": "Add.", "n": "2 and 2", "o": "4"}, None) == (
        "Below is an instruction that describes a task, paired with an input that provides further context. Write a "
        "response that appropriately completes the request.\n\n### Instruction:\nAdd.\n\n### Input:\n2 and 2\n\n"
        "### Response:\n[4</s>]"
    )
    assert read({"i": "Name a color.", "n": "", "o": "Red"}, None) == (
        "Below is an instruction that describes a task. Write a response that appropriately completes the request.\n\n"
        "### Instruction:\nName a color.\n\n### Response:\n[Red</s>]"
    )


def test_alpaca_becomes_turns_on_a_chat_model() -> None:
    row = {"i": "Add.", "n": "2 and 2", "o": "4", "h": [["Hi", "Hello"]], "s": "Be brief."}
    assert read(row, CHATML) == (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n[Hello<|im_end|>]"
        "\n<|im_start|>user\nAdd.\n\n2 and 2<|im_end|>\n<|im_start|>assistant\n[4<|im_end|>]"
    )


def test_a_base_model_that_begins_every_text_with_a_token_has_it_before_a_conversation() -> None:
    from tokenizers.processors import TemplateProcessing

    tokenizer = tiny_tokenizer()
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    shape = Format("messages", "", {"messages": "m"}, turns=True)
    example = RowTransform(shape, RunConfig(), tokenizer).example({"m": [user("a"), assistant("b")]})
    assert plain_text(example) == "<s>### User:\na\n\n### Assistant:\nb</s>"


# Whole data sets


def write(path: Path, rows: list[dict[str, Any]]) -> RunConfig:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return RunConfig(dataset_name=str(path), validation_split=0)


def test_rows_that_do_not_fit_are_counted_with_their_places_and_left_out(tmp_path: Path) -> None:
    good = [user("a"), assistant("b")]
    turns = [good, [user("a")], good, [user("a"), assistant("")], [user("a")], None, [*good, user("c")]]
    config = write(tmp_path / "d.jsonl", [{"messages": value} for value in turns])
    tokenizer = chat_tokenizer(CHATML)
    seen = preview(config, tokenizer)
    ready = prepare(open_dataset(config), config, tokenizer, 64)
    expected = [
        (2, "2 rows with no assistant turn, first here", "left out"),
        (4, "a row with an empty assistant turn", "left out"),
        (6, "a row with no turns", "left out"),
        (7, "a row with turns after the last reply", "these turns are left out"),
    ]
    for problems in (seen.problems, ready.problems):
        assert [(p.row, p.message, p.remedy) for p in problems] == expected
    assert ready.statistics.documents == 3
    assert ready.statistics.left_out == 4
    assert (ready.statistics.tokens, ready.statistics.trained_tokens) == (seen.tokens, seen.trained_tokens)


@pytest.mark.parametrize("rows", [[{"messages": [user("a")]}] * 3, [{"messages": [user("a"), assistant(" ")]}]])
def test_where_no_row_fits_it_says_why(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    config = write(tmp_path / "d.jsonl", rows)
    for work in (
        lambda: preview(config, tiny_tokenizer()),
        lambda: prepare(open_dataset(config), config, tiny_tokenizer(), 64),
    ):
        with pytest.raises(UserError, match=r"no row can be trained on as messages: .* turn.* \(line 1\)") as caught:
            work()
        assert caught.value.setting == "dataset_format"


def test_hub_rows_are_understood_as_local_ones_are(tmp_path: Path) -> None:
    rows = [{"messages": [system("s"), user("a"), assistant("b")]}, {"messages": [user("a"), assistant("c")]}]
    config = write(tmp_path / "d.jsonl", rows)
    local, hub = open_dataset(config).rows, Dataset.from_list(rows)
    tokenizer = chat_tokenizer(CHATML)
    read = [
        [RowTransform(recognize(table, config), config, tokenizer).example(row) for row in table]
        for table in (local, hub)
    ]
    assert read[0] == read[1]
