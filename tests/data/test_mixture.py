"""Several data sets are mixed by weight, each in its own format, and none is evaluated on what is trained on."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.tiny_bytes import tiny_tokenizer
from tui_finetune.config.schema import RunConfig
from tui_finetune.data.chunk_files import ArrowLists, ChunkReader
from tui_finetune.data.mixture import amounts_of, divide_mix
from tui_finetune.data.parts import open_parts
from tui_finetune.data.prepare import PreparedData, prepare
from tui_finetune.data.preview import preview
from tui_finetune.errors import UserError

LENGTH = 64


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FINETUNE_TUI_CACHE", str(tmp_path / "cache"))


def lines(path: Path, rows: list[dict[str, object]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


@pytest.fixture
def three(tmp_path: Path) -> list[str]:
    """A file of each of three formats, whose rows say which of them they are."""
    return [
        lines(tmp_path / "tales.jsonl", [{"text": f"A{n} there was a ship"} for n in range(900)]),
        lines(tmp_path / "tasks.jsonl", [{"instruction": f"B{n}", "output": f"done {n}"} for n in range(300)]),
        lines(
            tmp_path / "talks.jsonl",
            [
                {"messages": [{"role": "user", "content": f"C{n}"}, {"role": "assistant", "content": "yes"}]}
                for n in range(500)
            ],
        ),
    ]


def mixed(names: list[str], weights: tuple[float | None, ...] = (5, 3, 2), **settings: Any) -> PreparedData:
    named = [{"name": name, "weight": weight} for name, weight in zip(names, weights, strict=True)]
    config = RunConfig.model_validate({"datasets": named, "max_length": LENGTH, **settings})
    return prepare(open_parts(config), config, tiny_tokenizer(), LENGTH)


def texts(rows: Any) -> list[str]:
    """The documents in rows, as text."""
    tokenizer, found = tiny_tokenizer(), []
    for row in rows:
        positions = row.get("position_ids")
        starts = [0] if positions is None else np.flatnonzero(np.asarray(positions) == 0).tolist()
        for begin, end in itertools.pairwise([*starts, len(row["input_ids"])]):
            found.append(tokenizer.decode(row["input_ids"][begin:end]))
    return found


def kind(text: str) -> str:
    return next(letter for letter in text if letter in "ABC")


@pytest.mark.parametrize("packing", [True, False])
@pytest.mark.parametrize("strategy", ["first_exhausted", "all_exhausted"])
def test_shares_are_the_weights_within_a_hundredth(three: list[str], strategy: str, packing: bool) -> None:
    data = mixed(three, mix_strategy=strategy, packing=packing)
    kinds = [kind(text) for text in texts(data.train)]
    assert [kinds.count(letter) / len(kinds) for letter in "ABC"] == pytest.approx([0.5, 0.3, 0.2], abs=0.01)
    assert [part.trained for part in data.parts] == [kinds.count(letter) for letter in "ABC"]


def test_every_stretch_of_the_order_has_the_shares_of_the_whole(three: list[str]) -> None:
    kinds = [kind(text) for text in texts(mixed(three, packing=False).train)]
    for start in range(0, len(kinds) - 100, 100):
        part = kinds[start : start + 100]
        assert [part.count(letter) / 100 for letter in "ABC"] == pytest.approx([0.5, 0.3, 0.2], abs=0.021)


def test_without_weights_every_row_is_taken_once(three: list[str]) -> None:
    data = mixed(three, (None, None, None), packing=False)
    assert data.evaluation is not None
    found = [*texts(data.train), *texts(data.evaluation)]
    assert len(found) == len(set(found)) == 1700


@pytest.mark.parametrize("strategy", ["first_exhausted", "all_exhausted"])
def test_nothing_is_evaluated_on_that_is_trained_on(three: list[str], strategy: str) -> None:
    data = mixed(three, mix_strategy=strategy)
    assert data.evaluation is not None
    assert not set(texts(data.train)) & set(texts(data.evaluation))


def test_where_all_are_seen_whole_the_small_ones_come_again_in_turn(three: list[str]) -> None:
    data = mixed(three, mix_strategy="all_exhausted", packing=False)
    counts = Counter(text for text in texts(data.train) if kind(text) == "B").values()
    assert max(counts) - min(counts) <= 1
    assert min(counts) >= 1


def test_evaluation_rows_stand_by_data_set(three: list[str]) -> None:
    data = mixed(three)
    assert data.evaluation is not None
    assert [label for label, _ in data.evaluated] == ["tales", "tasks", "talks"]
    begin = 0
    for letter, (_, rows) in zip("ABC", data.evaluated, strict=True):
        assert {kind(text) for text in texts(data.evaluation.select(range(begin, begin + rows)))} == {letter}
        begin += rows
    assert begin == len(data.evaluation)


def test_the_same_seed_gives_the_same_rows_and_another_others(three: list[str], tmp_path: Path) -> None:
    first = mixed(three)
    for path in (tmp_path / "cache" / "prepared").iterdir():
        path.rename(path.with_name(f"away-{path.name}"))
    again, other = mixed(three), mixed(three, seed=7)
    assert first.fingerprint == again.fingerprint != other.fingerprint
    assert texts(first.train) == texts(again.train) != texts(other.train)


def test_each_data_set_has_the_loss_mask_of_its_format(three: list[str]) -> None:
    data = mixed(three, packing=False)
    for row in data.train:
        text, masked = texts([row])[0], sum(label == -100 for label in row["labels"])
        assert bool(masked) == (kind(text) != "A"), text


def test_a_data_set_may_have_a_mask_of_its_own(three: list[str]) -> None:
    config = RunConfig.model_validate(
        {"datasets": [{"name": three[1], "completion_only_loss": False}, three[2]], "packing": False}
    )
    data = prepare(open_parts(config), config, tiny_tokenizer(), LENGTH)
    masked = {kind(texts([row])[0]): any(label == -100 for label in row["labels"]) for row in data.train}
    assert masked == {"B": False, "C": True}


def test_a_number_of_rows_kept_aside_is_that_of_all_data_sets_together(three: list[str]) -> None:
    data = mixed(three, (None, None, None), validation_split=100, packing=False)
    assert sum(part.evaluated for part in data.parts) == 100
    assert [part.evaluated for part in data.parts] == [53, 18, 29]


def test_weights_and_all_rows_contradict_each_other(three: list[str]) -> None:
    with pytest.raises(UserError, match="concatenate takes all rows"):
        mixed(three, mix_strategy="concatenate")


def test_a_mix_beyond_all_bounds_is_refused(three: list[str]) -> None:
    with pytest.raises(UserError, match="again and again"):
        mixed(three, (0.0001, 1, 1), mix_strategy="all_exhausted")


def test_small_data_sets_keep_a_document_to_train_on() -> None:
    config = RunConfig(datasets="a.jsonl, b.jsonl", validation_split=0.5)
    parts: Any = [type("P", (), {"trains": True, "role": "both", "weight": None}) for _ in range(2)]
    assert amounts_of([1, 4], parts, config).aside == [0, 2]
    division = divide_mix([1, 4], parts, config)
    assert sorted([*division.train, *np.concatenate(division.evaluation)]) == [0, 1, 2, 3, 4]


def test_the_preview_tells_what_the_mix_is(three: list[str]) -> None:
    config = RunConfig(datasets=f"{three[0]}=5, {three[1]}=3, {three[2]}=2", max_length=LENGTH)
    seen, data = preview(config, tiny_tokenizer(), max_length=LENGTH), mixed(three)
    assert [part.trained for part in seen.parts] == [part.trained for part in data.parts]
    for part, made in zip(seen.parts, data.parts, strict=True):
        assert part.tokens == pytest.approx(made.tokens, rel=0.02)
        assert part.trained_tokens == pytest.approx(made.trained_tokens, rel=0.02)
    assert seen.steps_per_epoch == pytest.approx(len(data.train) / 16, abs=2)
    assert seen.format == "text + prompt-completion + messages"


# Data of its own to evaluate on


def test_evaluation_data_of_its_own_takes_nothing_from_the_training_data(three: list[str]) -> None:
    config = RunConfig(dataset_name=three[0], eval_dataset=three[1], packing=False)
    data = prepare(open_parts(config), config, tiny_tokenizer(), LENGTH)
    assert data.evaluation is not None
    assert {kind(text) for text in texts(data.evaluation)} == {"B"}
    assert (len(data.train), len(data.evaluation)) == (900, 300)


def folder(path: Path, **counts: int) -> str:
    path.mkdir()
    for name, count in counts.items():
        lines(path / f"{name}.jsonl", [{"text": f"{name} {n}"} for n in range(count)])
    return str(path)


def test_a_folder_brings_its_own_validation_file(tmp_path: Path) -> None:
    config = RunConfig(dataset_name=folder(tmp_path / "d", train=40, validation=10, test=5), packing=False)
    data = prepare(open_parts(config), config, tiny_tokenizer(), LENGTH)
    assert data.evaluation is not None
    assert (len(data.train), len(data.evaluation)) == (40, 10)
    assert all("validation" in text for text in texts(data.evaluation))
    assert any("test.jsonl is not read" in problem.message for problem in data.problems)


def test_another_split_can_be_named_and_a_missing_one_is_told(tmp_path: Path) -> None:
    name = folder(tmp_path / "d", train=40, validation=10, test=5)
    config = RunConfig(dataset_name=name, dataset_eval_split="test", packing=False)
    assert len(prepare(open_parts(config), config, tiny_tokenizer(), LENGTH).evaluation or []) == 5
    with pytest.raises(UserError, match=r"no split 'dev' to evaluate on; there are: test, train, validation"):
        open_parts(RunConfig(dataset_name=name, dataset_eval_split="dev"))


def test_a_validation_file_that_is_trained_on_is_told(tmp_path: Path) -> None:
    name = folder(tmp_path / "d", train=40, validation=10)
    parts = open_parts(RunConfig(dataset_name=name, dataset_eval_split="none"))
    assert len(parts[0].source.rows) == 50
    assert any("all trained on" in problem.message for problem in parts[0].source.problems)


def test_chunks_are_read_in_any_order(tmp_path: Path) -> None:
    import pyarrow as pa

    file = ArrowLists(tmp_path / "chunks.arrow", {"ids": pa.int32(), "trained": pa.bool_()})
    for number in range(25_000):  # three batches
        file.add((np.full(number % 5 + 1, number, np.int32), np.array([number % 2 == 0] * (number % 5 + 1))))
    file.close()
    reader = ChunkReader(tmp_path / "chunks.arrow")
    for number in (24_999, 0, 10_000, 9_999, 12_345):
        tokens = reader.read(number)
        assert tokens.ids.tolist() == [number] * (number % 5 + 1)
        assert set(tokens.trained.tolist()) == {number % 2 == 0}
    reader.close()
