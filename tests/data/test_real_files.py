"""Files as other fine-tuning tools ship them for trying: each is recognized, and learned from as it is meant.

The shapes are those of well-known demo files (alpaca, ShareGPT with calls of tools, preferences, parts with types, C4,
texts of wikis); what is in them was written for these tests.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.chat_templates import QWEN_3, chat_tokenizer
from tui_finetune.config.schema import RunConfig
from tui_finetune.data.preview import preview
from tui_finetune.data.previewed import Preview
from tui_finetune.errors import UserError
from tui_finetune.planning.dataset import row_as_it_stands


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FINETUNE_TUI_CACHE", str(tmp_path / "cache"))


def array(path: Path, *rows: dict[str, Any], indent: int | None = 2) -> Path:
    """A .json file, laid out for reading as most demo files are."""
    path.write_text(json.dumps(rows, ensure_ascii=False, indent=indent), "utf-8")
    return path


def lines(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return path


def seen(path: Path, template: str | None = None) -> Preview:
    return preview(RunConfig(dataset_name=str(path)), chat_tokenizer(template), max_length=512)


def parts(found: Preview, number: int = 0) -> list[tuple[bool, str]]:
    return [(segment.trained, segment.text) for segment in found.examples[number]]


def said(found: Preview, number: int = 0) -> list[str]:
    return [segment.text for segment in found.examples[number] if segment.trained]


CALLS = {
    "conversations": [
        {"from": "human", "value": "How warm is it in Rome?"},
        {"from": "function_call", "value": '{"name": "warmth", "arguments": {"city": "Rome"}}'},
        {"from": "observation", "value": '{"degrees": 20}'},
        {"from": "gpt", "value": "It is 20 degrees."},
    ],
    "tools": '[{"name": "warmth", "description": "Tells.", "parameters": {"type": "object", "properties": {}}}]',
}


def test_alpaca_with_instructions_inputs_and_history(tmp_path: Path) -> None:
    path = array(
        tmp_path / "alpaca_demo.json",
        {
            "instruction": "Translate to French.",
            "input": "Good day",
            "output": "Bonjour",
            "system": "Be brief.",
            "history": [["Hi", "Hello"]],
        },
        {"instruction": "Name a color.", "input": "", "output": "Blue", "system": "", "history": []},
    )
    found = seen(path)
    assert found.format == "alpaca"
    assert found.unused == []
    read, learned = parts(found)[-2:]
    assert "Translate to French." in read[1].partition("Good day")[0]
    assert learned == (True, "Bonjour</s>")
    assert "Be brief." in parts(found)[0][1]
    assert said(found) == ["Hello</s>", "Bonjour</s>"]
    assert said(found, 1) == ["Blue</s>"]


@pytest.mark.parametrize("template", [None, QWEN_3], ids=["no template", "Qwen3"])
def test_sharegpt_with_calls_of_tools(tmp_path: Path, template: str | None) -> None:
    found = seen(array(tmp_path / "toolcall_demo.json", CALLS), template)
    assert found.format == "sharegpt"
    assert (found.unused, found.problems[1:]) == ([], [])
    call, reply = said(found)
    assert '"name": "warmth", "arguments": {"city": "Rome"}' in call
    assert "It is 20 degrees." in reply
    read = "".join(text for trained, text in parts(found) if not trained)
    assert '"degrees": 20' in read
    assert "Tells." in read


def test_c4_and_texts_of_wikis(tmp_path: Path) -> None:
    row = {"text": "The first line.\nThe second.", "timestamp": "2019-04-25T12:57:54Z", "url": "https://example.org/"}
    found = seen(lines(tmp_path / "c4_demo.jsonl", row, {**row, "text": "Another page."}))
    assert (found.format, found.mapping) == ("text", {"text": "text"})
    assert found.unused == ["timestamp", "url"]
    assert parts(found) == [(True, row["text"])]

    articles = tmp_path / "wiki_demo.txt"
    articles.write_text("An anchor holds a ship.\nBread is baked.\n", "utf-8")
    found = seen(articles)
    assert (found.rows, found.format) == (2, "text")
    assert "each line is a document" in found.reason


@pytest.mark.parametrize(
    "row",
    [
        {
            "conversations": [{"from": "human", "value": "Q"}],
            "chosen": {"from": "gpt", "value": "good"},
            "rejected": {"from": "gpt", "value": "bad"},
        },
        {"prompt": "Q", "chosen": "good", "rejected": "bad"},
        {"question": "Q", "chosen": "good", "rejected": "bad", "system": "S"},
        {
            "prompt": [{"role": "user", "content": "Q"}],
            "chosen": [{"role": "assistant", "content": "good"}],
            "rejected": [{"role": "assistant", "content": "bad"}],
        },
        {
            "chosen": [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "good"}],
            "rejected": [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "bad"}],
        },
        # With the prompt in front once more, or the whole conversation.
        {
            "prompt": "Q",
            "chosen": [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "good"}],
            "rejected": [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "bad"}],
            "messages": [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "good"}],
        },
        {
            "chosen_messages": [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "good"}],
            "rejected_messages": [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "bad"}],
        },
    ],
)
@pytest.mark.parametrize("layout", [array, lines])
def test_of_preferences_the_better_reply_is_learned(tmp_path: Path, row: dict[str, Any], layout: Any) -> None:
    found = seen(layout(tmp_path / f"dpo_demo.json{'l' if layout is lines else ''}", row, row))
    assert "the better of two replies" in found.reason
    assert said(found) == ["good</s>"]
    assert "Q" in parts(found)[0][1]
    assert not any("bad" in text for _, text in parts(found))
    assert {name.partition("_")[0] for name in found.unused} - {"prompt", "messages"} == {"rejected"}


@pytest.mark.parametrize(
    ("row", "learned"),
    [
        ({"prompt": "Q", "response": "A", "chosen": 1, "rejected": 0}, "A</s>"),
        ({"question": "Q", "answer": "A", "chosen": ["x"], "rejected": ["y"]}, "A</s>"),
        ({"question": "Q", "answer": '{"from": "Paris", "to": "Rome"}'}, '{"from": "Paris", "to": "Rome"}</s>'),
        ({"question": "Q", "answer": '{"role": "cook", "content": "Ann"}'}, '{"role": "cook", "content": "Ann"}</s>'),
        ({"question": "Q", "answer": '[{"a": 1}]'}, '[{"a": 1}]</s>'),
        ({"question": "Q", "answer": '{"a": ["x"]}'}, '{"a": ["x"]}</s>'),
    ],
)
def test_answers_that_only_look_like_turns_or_preferences_are_learned_as_they_are(
    tmp_path: Path, row: dict[str, Any], learned: str
) -> None:
    assert said(seen(lines(tmp_path / "odd.jsonl", row))) == [learned]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ([{"type": "output_text", "text": "x"}], "x</s>"),
        ([{"type": None, "text": "x"}, "y"], "xy</s>"),
        ([{"type": "text", "text": None, "value": "x"}], "x</s>"),
        ([{"type": ["text"], "text": "x"}], None),
        ([{"type": "tool_call", "value": '{"name": "f", "arguments": {}}'}, {"type": "text", "text": "x"}], None),
    ],
)
def test_parts_of_every_making(tmp_path: Path, content: Any, text: str | None) -> None:
    good = [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}]
    path = lines(
        tmp_path / "p.jsonl", {"messages": good}, {"messages": [good[0], {"role": "assistant", "content": content}]}
    )
    found = seen(path)
    assert [said(found, n) for n in range(len(found.examples))] == [["A</s>"], *([[text]] if text else [])]
    assert text or any("more than text" in problem.message for problem in found.problems)


def test_calls_without_a_text_and_in_turns_of_their_own(tmp_path: Path) -> None:
    function = {"name": "warmth", "arguments": {"city": "Rome"}}
    asked = [{"role": "user", "content": "Q"}]
    called = [{"role": "assistant", "tool_calls": [{"type": "function", "function": function}]}]
    part = {"type": "tool_call", "value": json.dumps(function)}
    thought = {"type": "reasoning", "value": "Look it up."}
    for row in (
        {"prompt": asked, "completion": called},
        {"messages": [*asked, {"role": "function_call", "content": [thought, part]}]},
    ):
        found = seen(lines(tmp_path / "calls.jsonl", row), QWEN_3)
        [call] = said(found)
        assert '{"name": "warmth", "arguments": {"city": "Rome"}}' in call
        assert ("Look it up." in call) == ("messages" in row)


def test_thoughts_and_calls_of_users_and_calls_of_no_shape_are_refused(tmp_path: Path) -> None:
    reply = {"role": "assistant", "content": "A"}
    thought = {"role": "user", "content": [{"type": "thinking", "thinking": "secret"}, {"type": "text", "text": "Q"}]}
    shapeless = {"role": "assistant", "content": "A", "tool_calls": 5}
    rows = [[{"role": "user", "content": "Q"}, reply], [thought, reply], [{"role": "user", "content": "Q"}, shapeless]]
    found = seen(lines(tmp_path / "odd.jsonl", *({"messages": turns} for turns in rows)))
    assert [problem.place.partition(", ")[2] for problem in found.problems if problem.row] == ["line 2", "line 3"]


def test_parts_with_types_thoughts_calls_and_weights(tmp_path: Path) -> None:
    def part(value: str, kind: str = "text") -> dict[str, str]:
        return {"type": kind, "value": value}

    messages: list[dict[str, Any]] = [
        {"role": "user", "content": [part("How warm"), part(" is it?")], "loss_weight": 0.0},
        {
            "role": "assistant",
            "content": [
                part("Look it up.", "reasoning"),
                part('{"name": "warmth", "arguments": {"city": "Rome"}}', "tool_call"),
            ],
            "loss_weight": 1.0,
        },
        {"role": "tool", "content": [part('{"degrees": 20}')]},
        {"role": "assistant", "content": [part("Now I know.", "reasoning"), part("20 degrees.")]},
    ]
    path = lines(tmp_path / "parts.jsonl", {"messages": messages, "tools": CALLS["tools"]})
    found = seen(path, QWEN_3)
    call, reply = said(found)
    assert call.startswith("<think>\nLook it up.\n</think>")
    assert '{"name": "warmth", "arguments": {"city": "Rome"}}' in call
    assert reply == "<think>\nNow I know.\n</think>\n\n20 degrees.<|im_end|>"
    # A template without thoughts leaves them out, and that is said.
    plain = seen(path)
    assert any("thoughts that the chat template leaves out" in problem.message for problem in plain.problems)
    assert not any("thoughts" in problem.message for problem in found.problems)

    messages[1]["loss_weight"] = 0.0
    found = seen(lines(tmp_path / "weights.jsonl", {"messages": messages, "tools": CALLS["tools"]}), QWEN_3)
    assert said(found) == [reply]


def test_pictures_are_told_and_not_taken_for_text(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "<image>Who is it?"}, {"role": "assistant", "content": "A sailor."}]
    with pytest.raises(UserError, match="'images' holds images"):
        seen(array(tmp_path / "pictures.json", {"messages": turns, "images": ["1.jpg"]}))
    pictured = [{"role": "user", "content": [{"type": "image_url", "value": "1.jpg"}]}, turns[1]]
    with pytest.raises(UserError, match="more than text"):
        seen(lines(tmp_path / "parts.jsonl", {"messages": pictured}))


@pytest.mark.parametrize("indent", [None, 2])
def test_problems_of_a_json_file_go_by_the_row(tmp_path: Path, indent: int | None) -> None:
    rows = [{"instruction": f"Ask {n}.", "output": "" if n == 3 else f"Answer {n}."} for n in range(1, 6)]
    path = array(tmp_path / "holes.json", *rows, indent=indent)
    [problem] = [problem for problem in seen(path).problems if problem.row]
    assert problem.place == f"{path}, row 3"
    assert json.loads(row_as_it_stands(str(path), 3)) == rows[2]


def test_a_row_is_shown_as_it_stands_in_files_of_every_kind(tmp_path: Path) -> None:
    from datasets import Dataset

    rows = [{"text": f"Text {n}."} for n in range(1, 8)]
    table = Dataset.from_list(rows)
    table.to_parquet(str(tmp_path / "t.parquet"))
    table.to_csv(str(tmp_path / "t.csv"), index=False)
    lines(tmp_path / "t.jsonl", *rows)
    assert json.loads(row_as_it_stands(str(tmp_path / "t.parquet"), 7)) == rows[6]
    assert json.loads(row_as_it_stands(str(tmp_path / "t.jsonl"), 2)) == rows[1]
    assert row_as_it_stands(str(tmp_path / "t.csv"), 3) == "Text 2."
    for nowhere in ("gone.json", "t.parquet.gz", "owner/name"):
        assert row_as_it_stands(str(tmp_path / nowhere), 1) == ""
