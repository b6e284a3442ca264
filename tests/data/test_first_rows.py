"""Only the first rows of a data set: by number, and by the slices of `datasets`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tui_finetune.config.resolve import make_config
from tui_finetune.data.open import open_dataset
from tui_finetune.data.source import Source
from tui_finetune.errors import UserError


def opened(folder: Path, **settings: object) -> Source:
    path = folder / "texts.csv"
    path.write_text("text\n" + "".join(f"row {number}\n" for number in range(1200)))
    return open_dataset(make_config({"dataset_name": str(path), **settings}))


def texts(source: Source) -> list[object]:
    return [row["text"] for batch in source.batches(["text"]) for row in batch]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FINETUNE_TUI_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize(
    ("settings", "count"),
    [
        ({}, 1200),
        ({"max_samples": 7}, 7),
        ({"max_samples": 700}, 700),
        ({"max_samples": 5000}, 1200),
        ({"dataset_train_split": "train[:10%]"}, 120),
        ({"dataset_train_split": "train[:30]"}, 30),
        ({"dataset_train_split": "train[:10%]", "max_samples": 5}, 5),
    ],
)
def test_the_first_rows_are_used_and_no_others(tmp_path: Path, settings: dict[str, object], count: int) -> None:
    source = opened(tmp_path, **settings)
    assert len(source.rows) == count
    assert texts(source) == [f"row {number}" for number in range(count)]
    assert source.place(count - 1)[1] == count + 1  # a header, and lines from 1


def test_other_rows_are_other_data(tmp_path: Path) -> None:
    keys = {opened(tmp_path, **more).fingerprint for more in ({}, {"max_samples": 7}, {"max_samples": 8})}
    assert len(keys) == 3


def test_another_split_of_local_data_is_refused_with_the_way(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        opened(tmp_path, dataset_train_split="validation[:5%]")
    assert "train[:10%]" in caught.value.remedy
