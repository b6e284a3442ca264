"""What goes wrong with a hub data set is said in plain words with the setting that cures it, and quickly."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset, load_dataset
from datasets.exceptions import DatasetNotFoundError

from tests.tiny_bytes import tiny_tokenizer
from tui_finetune.config.schema import RunConfig
from tui_finetune.data.open import check_present, open_dataset
from tui_finetune.data.prepare import prepare
from tui_finetune.data.preview import preview
from tui_finetune.data.readers import hub
from tui_finetune.errors import Cancelled, UserError


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FINETUNE_TUI_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A data set with two configurations, as the hub has them."""
    for name in ("en", "de"):
        (tmp_path / "r" / name).mkdir(parents=True)
        (tmp_path / "r" / name / "train.jsonl").write_text('{"text": "a"}\n')
    (tmp_path / "r" / "README.md").write_text(
        "---\nconfigs:\n- config_name: en\n  data_files: en/*.jsonl\n- config_name: de\n  data_files: de/*.jsonl\n---\n"
    )
    return tmp_path / "r"


@pytest.mark.parametrize(
    ("settings", "message", "remedy", "setting"),
    [
        ({}, "several configurations", "set dataset_config to one of: en, de", "dataset_config"),
        ({"dataset_config": "fr"}, "no configuration 'fr'", "set dataset_config to one of: en, de", "dataset_config"),
        (
            {"dataset_config": "en", "dataset_train_split": "test"},
            "no split 'test'",
            "set dataset_train_split to one of: train",
            "dataset_train_split",
        ),
    ],
)
def test_missing_configurations_and_splits_say_which_exist(
    repository: Path, settings: dict[str, Any], message: str, remedy: str, setting: str, tmp_path: Path
) -> None:
    config = RunConfig(dataset_name="someone/texts", **settings)
    with pytest.raises(ValueError, match=r"onfig|split") as caught:
        load_dataset(
            str(repository), config.dataset_config, split=config.dataset_train_split, cache_dir=str(tmp_path / "hub")
        )
    error = hub.explain(caught.value, config)
    assert message in error.message
    assert (error.remedy, error.setting) == (remedy, setting)


def test_gated_and_missing_data_sets_are_told_apart() -> None:
    config = RunConfig(dataset_name="someone/texts")
    gated = hub.explain(DatasetNotFoundError("Dataset 'someone/texts' is a gated dataset on the Hub."), config)
    assert "gated" in gated.message
    assert "hf auth login" in gated.remedy
    missing = hub.explain(DatasetNotFoundError("Dataset 'someone/texts' doesn't exist on the Hub"), config)
    assert "there is no data set 'someone/texts'" in missing.message


@pytest.mark.parametrize("environment", [{"HF_HUB_OFFLINE": "1"}, {"HF_ENDPOINT": "http://127.0.0.1:9"}])
def test_without_a_network_a_name_is_refused_at_once_with_the_nearest_sample(
    environment: dict[str, str], tmp_path: Path
) -> None:
    code = (
        "import sys\nfrom tui_finetune.config.schema import RunConfig\nfrom tui_finetune.data.open import open_dataset\n"
        "from tui_finetune.errors import UserError\n"
        "for name in sys.argv[1:]:\n"
        "    try:\n        open_dataset(RunConfig(dataset_name=name))\n"
        "    except UserError as error:\n        print(error.message, '|', error.remedy)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "someone/texts", "sea-talse"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env={**os.environ, "HF_HUB_OFFLINE": "", **environment, "HF_HOME": str(tmp_path), "NO_PROXY": "127.0.0.1"},
    )
    first, second = done.stdout.splitlines()
    assert "there is no file, folder or sample 'someone/texts' here, and" in first
    assert "did you mean the sample 'sea-tales'?" in second
    assert "Retrying" not in done.stderr


def test_a_slow_hub_can_be_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    monkeypatch.setattr(hub, "_load", lambda _config: release.wait(60))

    def cancel(*_: object) -> None:
        raise Cancelled

    begin = time.monotonic()
    with pytest.raises(Cancelled):
        open_dataset(RunConfig(dataset_name="someone/texts"), cancel)
    assert time.monotonic() - begin < 30
    release.set()


def test_only_names_that_can_be_nothing_else_are_looked_for_on_the_hub(tmp_path: Path) -> None:
    check_present("someone/texts")
    check_present("sea-tales")
    with pytest.raises(UserError, match="no such file"):
        check_present("texts.jsonl")
    with pytest.raises(UserError, match="no such file"):
        check_present(str(tmp_path / "nothing"))


def test_rows_from_the_hub_are_prepared_and_previewed_like_local_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = Dataset.from_dict(
        {"label": [1] * 30, "text": [f"text {number}" for number in range(28)] + [None, ""], "tags": [["a"]] * 30}
    )
    monkeypatch.setattr(hub, "_load", lambda _config: rows)
    config = RunConfig(dataset_name="someone/texts", max_length=32)
    source = open_dataset(config)
    data = prepare(source, config, tiny_tokenizer(), 32)
    assert (data.statistics.documents, data.statistics.left_out) == (28, 2)
    assert source.place(28) == ("someone/texts", 29)
    found = preview(config, tiny_tokenizer())
    assert (found.rows, found.tokens, found.columns) == (30, data.statistics.tokens, ["label", "text", "tags"])
    assert [(problem.file, problem.row) for problem in found.problems] == [("someone/texts", 29)]
