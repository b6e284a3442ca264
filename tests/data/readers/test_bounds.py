"""Files of data are read within bounds: a few bytes don't become gigabytes, nor minutes."""

from __future__ import annotations

import gzip
import random
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.tiny_bytes import tiny_tokenizer
from tui_finetune.config.schema import RunConfig
from tui_finetune.data.open import open_dataset
from tui_finetune.data.preview import preview
from tui_finetune.data.readers import files, parquet
from tui_finetune.errors import UserError


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Small bombs do, where the bound is small.
    monkeypatch.setattr(files, "RATIO_COUNTS_FROM", 2_000_000)
    monkeypatch.setenv("FINETUNE_TUI_CACHE", str(tmp_path / "cache"))


def refused(path: Path) -> UserError:
    began = time.process_time()
    with pytest.raises(UserError) as error:
        open_dataset(RunConfig(dataset_name=str(path)))
    assert time.process_time() - began < 5
    assert error.value.remedy
    return error.value


def test_s4_a_parquet_file_of_repetition_is_refused(tmp_path: Path) -> None:
    """300 rows of 100 kB, all alike but for their ends: little on disk."""
    path = tmp_path / "d.parquet"
    pq.write_table(pa.table({"text": ["a" * 100_000 + str(n) for n in range(300)]}), path, compression="zstd")
    assert path.stat().st_size < 1_000_000
    assert "more than 200 times its size" in refused(path).message


def test_s4_a_value_that_is_kept_once_and_repeats_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "d.parquet"
    table = pa.table({"text": pa.DictionaryArray.from_arrays(pa.array([0] * 3000), pa.array(["ab" * 50_000]))})
    pq.write_table(table, path, compression="zstd")
    assert "more than 200 times its size" in refused(path).message


def test_s4_rows_of_nothing_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "d.parquet"
    pq.write_table(pa.table({"text": pa.nulls(60_000_000, pa.string())}), path)
    assert "says that it has 60,000,000 rows" in refused(path).message
    path = tmp_path / "d.arrow"
    with pa.ipc.new_stream(str(path), pa.schema([("text", pa.null())])) as file:
        file.write_batch(pa.record_batch([pa.nulls(60_000_000)], names=["text"]))
    assert "says that it has 60,000,000 rows" in refused(path).message


@pytest.mark.parametrize("compression", ["snappy", "zstd", "none"])
def test_s4_ordinary_parquet_is_read_in_large_batches(
    tmp_path: Path, compression: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "d.parquet"
    texts = [f"{n} " + "word " * (n % 50) for n in range(3000)]
    pq.write_table(pa.table({"text": texts, "kind": ["story", "poem", "news"] * 1000}), path, compression=compression)
    sizes = []
    batches = parquet._batches

    def watched(*given: object) -> object:
        for batch in batches(*given):  # type: ignore[arg-type]
            sizes.append(batch.num_rows)
            yield batch

    monkeypatch.setattr(parquet, "_batches", watched)
    source = open_dataset(RunConfig(dataset_name=str(path)))
    assert source.rows["text"][:] == texts
    assert min(sizes[:-1]) > 100


def test_c10_a_gzip_of_blank_lines_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl.gz"
    with gzip.open(path, "wb", 9) as file:
        file.write(b"\n" * 5_000_000)
    assert "more than 200 times its size" in refused(path).message


def test_c10_a_bomb_behind_good_text_is_found_too(tmp_path: Path) -> None:
    path = tmp_path / "d.txt.gz"
    chance = random.Random(0)
    with gzip.open(path, "wb", 9) as file:
        file.write("".join(f"{chance.random()}\n" for _ in range(5_000)).encode())
        file.write(b"a a a a a a a a a a a a a a a a a a a a\n" * 150_000)
    assert "more than 200 times its size" in refused(path).message


@pytest.mark.parametrize("sign", ["a", "-", "é"])
def test_c10_one_character_over_and_over_is_left_out(tmp_path: Path, sign: str) -> None:
    path = tmp_path / "d.md"
    path.write_text(sign * 1_000_000)
    began = time.process_time()
    with pytest.raises(UserError, match="more than 200,000 characters without a space"):
        preview(RunConfig(dataset_name=str(path)), tiny_tokenizer())
    assert time.process_time() - began < 5
