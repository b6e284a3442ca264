"""Data that tells which replies are preferred: recognized, shown, made rows of; refused where it doesn't fit the task."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.tiny import make_tokenizer
from tui_finetune.config.resolve import resolve
from tui_finetune.config.schema import RunConfig
from tui_finetune.data.open import open_dataset
from tui_finetune.data.prepared import PreparedData
from tui_finetune.data.preview import preview
from tui_finetune.data.previewed import Preview
from tui_finetune.data.rows import prepare_rows
from tui_finetune.errors import UserError

Row = dict[str, Any]


def user(text: str) -> Row:
    return {"role": "user", "content": text}


def says(text: str) -> Row:
    return {"role": "assistant", "content": text}


PAIRS: dict[str, Row] = {
    "columns": {"prompt": "Ask", "chosen": "good", "rejected": "bad"},
    "sharegpt ranking": {
        "conversations": [{"from": "human", "value": "Ask"}],
        "chosen": {"from": "gpt", "value": "good"},
        "rejected": {"from": "gpt", "value": "bad"},
    },
    "question": {"question": "Ask", "chosen": "good", "rejected": "bad", "system": "S"},
    "turns": {"prompt": [user("Ask")], "chosen": [says("good")], "rejected": [says("bad")]},
    "whole": {"chosen": [user("Ask"), says("good")], "rejected": [user("Ask"), says("bad")]},
    "prompt and whole": {
        "prompt": "Ask",
        "chosen": [user("Ask"), says("good")],
        "rejected": [user("Ask"), says("bad")],
    },
    "alpaca ranking": {"instruction": "Ask", "input": "this", "chosen": "good", "rejected": "bad"},
}


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return make_tokenizer(tmp_path_factory.mktemp("tokenizer"))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FINETUNE_TUI_CACHE", str(tmp_path / "cache"))


def config(tmp_path: Path, rows: list[Row], task: str, **settings: object) -> RunConfig:
    path = tmp_path / "d.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    chosen = {"dataset_name": str(path), "task": task, "validation_split": 0, **settings}
    return resolve(chosen).config


def seen(tmp_path: Path, rows: list[Row], task: str, tokenizer: Any = None, **settings: object) -> Preview:
    return preview(config(tmp_path, rows, task, **settings), tokenizer, max_length=64)


def prepared(
    tmp_path: Path, rows: list[Row], task: str, tokenizer: Any, limit: int = 64, **settings: object
) -> PreparedData:
    chosen = config(tmp_path, rows, task, **settings)
    return prepare_rows(open_dataset(chosen), chosen, tokenizer, limit)


def compared(examples: list[Any]) -> list[list[str]]:
    return [[segment.text for segment in example if segment.trained] for example in examples]


@pytest.mark.parametrize("layout", PAIRS)
def test_pairs_are_recognized_in_every_layout(layout: str, tmp_path: Path, tokenizer: Any) -> None:
    found = seen(tmp_path, [PAIRS[layout]] * 2, "dpo")
    assert compared(found.examples) == [["good"]] * 2
    assert compared(found.rejected) == [["bad"]] * 2
    for example in (found.examples[0], found.rejected[0]):
        assert "Ask" in example[0].text
        assert not example[0].trained
    assert "of two replies 'chosen" in found.reason
    assert ("this" in found.examples[0][0].text) == (layout == "alpaca ranking")
    rows = prepared(tmp_path, [PAIRS[layout]] * 2, "dpo", tokenizer, 256)
    row = rows.train[0]
    assert tokenizer.decode(row["chosen_ids"]).startswith("good")
    assert tokenizer.decode(row["rejected_ids"]).startswith("bad")
    assert "Ask" in tokenizer.decode(row["prompt_ids"])
    assert rows.sources is not None
    assert rows.sources.of(1) == [2]


def test_columns_of_other_names_are_named(tmp_path: Path) -> None:
    rows = [{"q": "Ask", "better": "good", "worse": "bad"}]
    names = {"dataset_prompt_field": "q", "dataset_chosen_field": "better", "dataset_rejected_field": "worse"}
    found = seen(tmp_path, rows, "orpo", **names)
    assert (compared(found.examples), compared(found.rejected)) == ([["good"]], [["bad"]])
    with pytest.raises(UserError, match="there is no column 'best'"):
        seen(tmp_path, rows, "orpo", **{**names, "dataset_chosen_field": "best"})


def test_only_what_the_replies_do_not_share_is_compared(tmp_path: Path) -> None:
    talk = [user("Hi"), says("Hello"), user("Ask")]
    found = seen(tmp_path, [{"chosen": [*talk, says("good")], "rejected": [*talk, says("bad")]}], "dpo")
    assert compared(found.examples) == [["good"]]
    judged = seen(tmp_path, [{"messages": [*talk, says("good")], "label": True}], "kto")
    assert compared(judged.examples) == [["good"]]


@pytest.mark.parametrize(
    ("rows", "settings"),
    [
        ([{"prompt": "Ask", "completion": " good", "label": True}, {"prompt": "Ask", "completion": " bad", "label": False}], {}),
        ([{"messages": [user("Ask"), says("good")], "kto_tag": 1}, {"messages": [user("Ask"), says("bad")], "kto_tag": 0}], {}),
        ([{"question": "Ask", "answer": "good", "rating": 5}, {"question": "Ask", "answer": "bad", "rating": 2}],
         {"dataset_label_threshold": 4}),
        ([{"question": "Ask", "answer": "good", "up": True}, {"question": "Ask", "answer": "bad", "up": False}],
         {"dataset_label_field": "up"}),
    ],
)  # fmt: skip
def test_single_replies_are_good_or_bad(rows: list[Row], settings: Row, tmp_path: Path, tokenizer: Any) -> None:
    found = seen(tmp_path, rows, "kto", tokenizer, **settings)
    assert found.good == [True, False]
    assert found.rejected == []
    made = prepared(tmp_path, rows, "kto", tokenizer, **settings).train
    assert tokenizer.decode(made[0]["completion_ids"]).strip().startswith("good")
    assert made["label"][:] == [True, False]


def test_of_pairs_kto_makes_a_good_and_a_bad_reply(tmp_path: Path, tokenizer: Any) -> None:
    rows = prepared(tmp_path, [PAIRS["columns"]] * 3, "kto", tokenizer, validation_split=1)
    assert rows.train["label"][:] == [True, False] * 2
    assert rows.evaluation is not None
    assert rows.evaluation["label"][:] == [True, False]  # the pair is not torn apart
    assert rows.statistics.documents == 3


@pytest.mark.parametrize(
    ("rows", "task", "message", "remedy"),
    [
        ([{"text": "a story"}], "dpo", "no columns hold such pairs; there are: text", "task: sft"),
        ([{"prompt": "q", "completion": "a"}], "orpo", "compares a better and a worse reply", "dataset_chosen_field"),
        ([{"prompt": "q", "completion": "a", "label": True}], "dpo", "no columns hold such pairs", "set task: kto"),
        ([{"prompt": "q", "completion": "a"}], "kto", "no column tells good replies from bad ones", "dataset_label_field"),
        ([{"text": "q", "label": True}], "kto", "no columns hold a prompt and a reply", "dataset_prompt_field"),
        ([{"prompt": "q", "completion": "a", "rating": 3}], "kto", "holds ratings", "set dataset_label_threshold"),
        ([{"prompt": "q", "completion": "a", "rating": 3}], "sft", "'rating' tells good replies", "task: kto"),
        ([{"prompt": "q", "completion": "a", "label": False}], "sft", "'label' tells good replies", "task: kto"),
        ([{"prompt": "q", "chosen": "a", "rejected": "a"}], "dpo", "two replies that are the same", ""),
        ([{"prompt": "q", "completion": "a", "label": None}, {"prompt": "q", "completion": "a", "label": None}], "kto",
         "no column tells good replies", ""),
    ],
)  # fmt: skip
def test_data_that_does_not_fit_the_task_is_refused_with_the_way(
    rows: list[Row], task: str, message: str, remedy: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=message) as error:
        seen(tmp_path, rows, task)
    assert remedy in error.value.remedy


def test_rows_that_can_not_be_compared_are_left_out_and_said(tmp_path: Path, tokenizer: Any) -> None:
    rows = [PAIRS["columns"], {"prompt": "q", "chosen": "a", "rejected": ""}, {"prompt": "q", "chosen": "b", "rejected": "b"},
            {"prompt": "long " * 60, "chosen": "a", "rejected": "b"}, PAIRS["columns"]]  # fmt: skip
    data = prepared(tmp_path, rows, "dpo", tokenizer)
    assert len(data.train) == 2
    assert data.statistics.left_out == 3
    said = " ".join(problem.message for problem in data.problems)
    assert "no completion" in said
    assert "two replies that are the same" in said
    assert "no part of a reply within max_length tokens" in said
    assert "3 of 5 rows are left out" in str(data.notices)


def test_long_replies_are_cut_or_the_row_is_dropped(tmp_path: Path, tokenizer: Any) -> None:
    rows = [{"prompt": "q", "chosen": "a " * 80, "rejected": "b"}, PAIRS["columns"]]
    cut = prepared(tmp_path, rows, "dpo", tokenizer)
    assert len(cut.train[0]["prompt_ids"]) + len(cut.train[0]["chosen_ids"]) == 64
    assert "longer than 64 tokens" in str(cut.notices)
    assert len(prepared(tmp_path, rows, "dpo", tokenizer, excess_length_strategy="drop").train) == 1


def test_good_and_bad_replies_that_are_not_balanced_are_said(tmp_path: Path, tokenizer: Any) -> None:
    rows = [{"prompt": "q", "completion": " a", "label": number == 0} for number in range(10)]
    (said,) = prepared(tmp_path, rows, "kto", tokenizer).notices
    assert (said.setting, said.remedy) == ("desirable_weight", "set desirable_weight: 9 to balance them")
    assert prepared(tmp_path, rows, "kto", tokenizer, desirable_weight=9).notices == []


def test_a_second_look_takes_the_rows_from_the_cache(tmp_path: Path, tokenizer: Any) -> None:
    chosen = config(tmp_path, [PAIRS["columns"]] * 2, "dpo")
    source = open_dataset(chosen)

    def fingerprint(task: str) -> str:
        return prepare_rows(source, chosen.model_copy(update={"task": task}), tokenizer, 64).fingerprint

    assert fingerprint("dpo") == fingerprint("orpo") != fingerprint("kto")


def test_the_preview_counts_all_replies(tmp_path: Path, tokenizer: Any) -> None:
    found = seen(tmp_path, [PAIRS["columns"]] * 3, "dpo", tokenizer)
    rows = prepared(tmp_path, [PAIRS["columns"]] * 3, "dpo", tokenizer)
    assert (found.tokens, found.trained_tokens) == (rows.statistics.tokens, rows.statistics.trained_tokens)
    assert found.duplicates == 2
    assert [token.trained for token in found.rejected_tokens[0]].count(True) == len(rows.train[0]["rejected_ids"])
    assert found.to_json()["rejected"]
