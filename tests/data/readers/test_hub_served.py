"""Data sets are loaded by the real load_dataset from a hub on the loopback, and its refusals are said plainly."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.hub import Hub

CODE = """
import sys
from tui_finetune.config.schema import RunConfig
from tui_finetune.data.open import open_dataset
from tui_finetune.errors import UserError
settings = dict(pair.split("=") for pair in {pairs!r})
try:
    source = open_dataset(RunConfig(dataset_name="someone/texts", **settings))
    print(len(source.rows), source.rows.column_names, source.rows[0]["text"])
except UserError as error:
    print(error.message, "|", error.remedy, "|", error.setting)
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    for name in ("en", "de"):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps({"text": f"{name} {n}"}) + "\n" for n in range(3)))
    (folder / "README.md").write_text(
        "---\nconfigs:\n- config_name: en\n  data_files: en.jsonl\n- config_name: de\n  data_files: de.jsonl\n---\n"
    )
    return folder


def answer(hub: Hub, home: Path, *pairs: str) -> str:
    done = hub.run(CODE.format(pairs=list(pairs)), home)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_data_set_is_loaded_with_its_configuration_and_again_when_the_hub_is_gone(
    repository: Path, tmp_path: Path
) -> None:
    with Hub(datasets={"someone/texts": repository}) as hub:
        assert answer(hub, tmp_path / "home", "dataset_config=de") == "3 ['text'] de 0"
        assert "set dataset_config to one of: " in answer(hub, tmp_path / "home")
        wrong = answer(hub, tmp_path / "home", "dataset_config=de", "dataset_train_split=test")
        assert wrong.endswith("set dataset_train_split to one of: train | dataset_train_split")
        hub.close()
        assert answer(hub, tmp_path / "home", "dataset_config=de") == "3 ['text'] de 0"


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("missing", "there is no data set 'someone/texts'"),
        ("gated", "is gated"),
        ("login", "'someone/texts'"),
    ],
)
def test_refusals_of_the_hub_are_one_plain_line(repository: Path, tmp_path: Path, fault: str, words: str) -> None:
    with Hub(datasets={"someone/texts": repository}) as hub:
        hub.fault = fault
        said = answer(hub, tmp_path / "home")
    assert words in said
    assert len(said.splitlines()) == 1
    assert "hf auth login" in said
