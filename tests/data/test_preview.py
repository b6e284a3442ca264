"""A preview says what is in a data set before anything is trained on it, and its numbers are those of the training."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.tiny_bytes import tiny_tokenizer
from tui_finetune.config.schema import RunConfig
from tui_finetune.config.steps import count_steps
from tui_finetune.data.open import open_dataset
from tui_finetune.data.prepare import prepare
from tui_finetune.data.preview import estimate_rows, preview
from tui_finetune.data.previewed import Preview
from tui_finetune.data.samples import list_samples
from tui_finetune.errors import UserError

KEYS = [
    "format", "reason", "rows", "mapping", "unused_columns", "examples", "lengths", "tokens", "trained_tokens", "duplicates", "problems",
    "example_tokens", "packed_row", "max_length", "padding_without_packing", "steps_per_epoch",
]  # fmt: skip


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FINETUNE_TUI_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rows = [{"text": "x" * (number % 40 + 1), "id": number} for number in range(200)]
    path = tmp_path / "d.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in [*rows, {"id": 1}, {"text": " "}]))
    return path


def look(path: Path, tokenizer: Any = None, max_rows: int = 10_000, **settings: Any) -> Preview:
    return preview(RunConfig(dataset_name=str(path), **settings), tokenizer, max_rows=max_rows)


def test_the_json_has_exactly_the_promised_keys_and_true_numbers(data: Path) -> None:
    found = json.loads(json.dumps(look(data, tiny_tokenizer(), max_length=32).to_json()))
    assert list(found) == KEYS
    assert found["rows"] == 202
    assert found["mapping"] == {"text": "text"}
    assert found["examples"] == [[{"text": "x" * size, "trained": True}] for size in range(1, 6)]
    # Each text has one end-of-text token more than it has letters.
    assert found["tokens"] == found["trained_tokens"] == 200 + 5 * sum(range(1, 41))
    assert found["lengths"] == {"mean": 21.5, "p50": 22, "p95": 40, "max": 41, "over_max_length": 45}
    assert found["duplicates"] == 160
    assert found["problems"] == [
        {"file": str(data), "row": 201, "message": "2 rows with no text, first here", "remedy": "left out"}
    ]


def test_without_a_tokenizer_nothing_is_said_about_tokens(data: Path) -> None:
    found = look(data).to_json()
    assert list(found) == KEYS
    assert (found["lengths"], found["tokens"], found["trained_tokens"]) == (None, None, None)
    assert found["duplicates"] == 160


def test_a_large_data_set_is_sampled_and_says_so(data: Path) -> None:
    whole, some = look(data, tiny_tokenizer()), look(data, tiny_tokenizer(), max_rows=101)
    assert some.rows == 202
    assert some.sampled is not None
    assert some.sampled <= 101
    assert "estimated from" in some.problems[-1].message
    assert some.tokens is not None
    assert whole.tokens is not None
    assert abs(some.tokens / whole.tokens - 1) < 0.2
    assert len(some.token_lengths) <= 101


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"packing": False},
        {"packing": False, "excess_length_strategy": "drop"},
        {"packing": False, "excess_length_strategy": "truncate", "train_on_eos": False},
        {"validation_split": 0},
        {"validation_split": 7, "excess_length_strategy": "truncate"},
    ],
)
def test_the_rows_foretold_are_those_that_training_gets(data: Path, settings: dict[str, Any]) -> None:
    config = RunConfig(dataset_name=str(data), max_length=32, **settings)
    foretold = estimate_rows(preview(config, tiny_tokenizer()), config)
    ready = prepare(open_dataset(config), config, tiny_tokenizer(), 32)
    assert foretold == len(ready.train) == ready.statistics.train_rows


def test_too_few_rows_are_a_problem_that_names_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "one.txt"
    path.write_text("one line\n")
    [problem] = look(path).problems
    assert "too few" in problem.message
    assert "validation_split: 0" in problem.remedy


def test_data_that_cannot_be_used_is_an_error_in_the_preview_too(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    path.write_text('{"text": null}\n{"text": ""}\n')
    with pytest.raises(UserError, match="no row has text"):
        look(path)


@pytest.mark.parametrize(
    ("rows", "settings"),
    [
        (1, {}),
        (8, {}),
        (17, {}),
        (33, {}),
        (1000, {}),
        (33, {"num_train_epochs": 0.5}),
        (33, {"num_train_epochs": 2.3, "gradient_accumulation_steps": 3}),
        (33, {"max_steps": 7}),
    ],
)
def test_steps_are_counted_as_the_trainer_counts_them(tmp_path: Path, rows: int, settings: dict[str, Any]) -> None:
    from torch.utils.data import DataLoader
    from transformers import Trainer, TrainingArguments

    from tests.tiny_bytes import tiny_model

    config = RunConfig(per_device_train_batch_size=4, **settings)
    args = TrainingArguments(
        output_dir=str(tmp_path),
        report_to="none",
        use_cpu=True,
        num_train_epochs=config.num_train_epochs,
        per_device_train_batch_size=4,
        gradient_accumulation_steps=config.gradient_accumulation_steps,
        max_steps=config.max_steps,
    )
    numbers: Any = list(range(rows))
    loader: Any = DataLoader(numbers, batch_size=4)
    counted = Trainer(tiny_model(), args).set_initial_training_values(args, loader)
    assert count_steps(rows, config) == counted[-1]


def test_samples_are_listed_without_heavy_imports() -> None:
    for sample in list_samples():
        assert sample.rows == len(open_dataset(RunConfig(dataset_name=sample.name)).rows)
        assert sample.summary
    code = (
        "import sys\nfrom tui_finetune.config import steps\nfrom tui_finetune.data import open, preview, samples\n"
        "from tui_finetune.data.readers import hub\n"
        "from tui_finetune.data.formats import recognize\n"
        "samples.list_samples()\n"
        "print(sorted({'torch', 'transformers', 'datasets', 'pyarrow', 'numpy'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
