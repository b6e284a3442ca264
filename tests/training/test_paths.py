"""What a run's configuration and its requests mean, wherever and whenever they are read."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tui_finetune.config.schema import RunConfig
from tui_finetune.runs.control import drop, left, send, take
from tui_finetune.training.paths import rooted


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_relative_paths_become_absolute(here: Path) -> None:
    (here / "model").mkdir()
    (here / "data.txt").write_text("a")
    config = rooted(RunConfig(model_name_or_path="./model", dataset_name="data.txt", final_model_dir="out"))
    assert config.model_name_or_path == str(here / "model")
    assert config.dataset_name == str(here / "data.txt")
    assert config.final_model_dir == str(here / "out")
    assert rooted(RunConfig(dataset_name="*.txt")).dataset_name == str(here / "*.txt")
    assert rooted(config) == config


def test_names_stay_names(here: Path) -> None:
    for name in ("starter", "sea-tales", "someone"):
        (here / name).mkdir()  # a folder of that name beside it changes nothing but for a name nobody else has
    config = RunConfig(dataset_config="en")
    assert rooted(config) == config
    hub = RunConfig(model_name_or_path="PingVortex/VLM-1", dataset_name="stas/openwebtext-10k")
    assert rooted(hub) == hub


def test_only_requests_from_before_the_start_are_dropped(here: Path) -> None:
    control = here / "control"
    assert left(control) == frozenset()
    send(control, "stop")
    (control / "nonsense.json").write_text("{}")
    before = left(control)
    send(control, "pause")
    drop(control, before)
    assert [request.action for request in take(control)] == ["pause"]
    drop(here / "nowhere", before)


def test_a_request_reaches_a_run_whose_directory_was_taken_away(here: Path) -> None:
    control = here / "run" / "control"
    send(control, "stop")
    shutil.rmtree(here / "run")
    send(control, "stop")
    assert [request.action for request in take(control)] == ["stop"]
