"""Arrow files, and what `save_to_disk` writes, are read as they were saved."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from datasets import Dataset, DatasetDict

from tui_finetune.config.schema import RunConfig
from tui_finetune.data.formats.recognize import recognize
from tui_finetune.data.open import open_dataset
from tui_finetune.data.source import Source
from tui_finetune.errors import UserError

ROWS = [{"text": f"row {number}", "n": number} for number in range(30)]


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FINETUNE_TUI_CACHE", str(tmp_path / "cache"))


def opened(path: Path, **settings: Any) -> Source:
    return open_dataset(RunConfig(dataset_name=str(path), **settings))


def test_a_saved_data_set_is_read_in_order_and_named(tmp_path: Path) -> None:
    Dataset.from_list(ROWS).save_to_disk(tmp_path / "d", num_shards=3)
    source = opened(tmp_path / "d")
    assert source.rows["text"][:] == [row["text"] for row in ROWS]
    assert len(source.files) == 3
    assert source.place(29) == (str(tmp_path / "d" / "data-00002-of-00003.arrow"), 10)
    assert recognize(source, RunConfig()).reason == "there is a column called 'text'; saved with save_to_disk"


def test_a_split_of_a_saved_data_set_is_chosen(tmp_path: Path) -> None:
    parts = {"train": Dataset.from_list(ROWS), "test": Dataset.from_list(ROWS[:3])}
    DatasetDict(parts).save_to_disk(tmp_path / "d")
    assert len(opened(tmp_path / "d").rows) == 30
    test = opened(tmp_path / "d", dataset_train_split="test")
    assert len(test.rows) == 3
    assert "split 'test'" in recognize(test, RunConfig()).reason
    with pytest.raises(UserError, match="no split 'tests'; there are: train, test") as caught:
        opened(tmp_path / "d", dataset_train_split="tests")
    assert "'test'" in caught.value.remedy


def test_a_saved_data_set_that_is_not_whole_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "d"
    Dataset.from_list(ROWS).save_to_disk(folder, num_shards=2)
    data = folder / "data-00001-of-00002.arrow"
    whole = data.read_bytes()
    data.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"data-00001.* is not a complete Arrow file"):
        opened(folder)
    data.unlink()
    with pytest.raises(UserError, match=r"data-00001-of-00002.arrow is missing"):
        opened(folder)
    (folder / "state.json").write_text('{"_data_files": []}')
    with pytest.raises(UserError, match="names no files"):
        opened(folder)


def test_a_folder_with_a_file_called_state_is_an_ordinary_folder(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "state.json").write_text('[{"text": "a"}, {"text": "b"}]')
    assert opened(tmp_path / "d").rows["text"][:] == ["a", "b"]


@pytest.mark.parametrize("kind", ["stream", "file"])
def test_arrow_files_of_both_kinds_are_read_without_what_tables_add(tmp_path: Path, kind: str) -> None:
    turns = [[{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "name": "x"}]]
    table = pa.table({"messages": turns, "picture": [b"\xff"], "note": pa.array([None], pa.string())})
    path = tmp_path / "d.arrow"
    make = pa.ipc.new_stream if kind == "stream" else pa.ipc.new_file
    with make(str(path), table.schema) as writer:
        writer.write_table(table)
    source = opened(path)
    assert set(source.rows.column_names) == {"messages", "note"}
    assert '"name": null' not in source.rows["messages"][0]
    assert recognize(source, RunConfig()).name == "messages"


def test_what_is_no_arrow_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "d.arrow"
    path.write_bytes(b"nothing of the sort")
    with pytest.raises(UserError, match=r"d.arrow is not a complete Arrow file"):
        opened(path)
    shutil.copyfile(path, tmp_path / "e.arrow.gz")
    with pytest.raises(UserError, match="not a kind of file"):
        opened(tmp_path / "e.arrow.gz")
