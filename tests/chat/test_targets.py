"""Whom `chat` talks to, and whether in turns or by continuing a text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tui_finetune.chat.targets import ChatTarget, resolve_chat_target
from tui_finetune.config.schema import RunConfig
from tui_finetune.errors import UserError
from tui_finetune.runs import checkpoints
from tui_finetune.runs.directory import RunDirectory


@pytest.fixture
def base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FINETUNE_TUI_STATE", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make_run(base: Path, name: str) -> RunDirectory:
    run = RunDirectory(base / "runs" / name)
    run.create()
    run.write_config(RunConfig())
    return run


def make_model(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    return folder


def make_checkpoint(run: RunDirectory, step: int, data_format: str = "") -> Path:
    checkpoint = make_model(run.checkpoints_dir / f"checkpoint-{step}")
    checkpoints.commit(checkpoint, {"data_format": data_format} if data_format else {})
    return checkpoint


def end(run: RunDirectory, data_format: str) -> None:
    """The last event of a run that is over."""
    event = {"time": 1.0, "type": "status", "status": "finished", "step": 1, "data_format": data_format}
    run.events_path.write_text(json.dumps(event) + "\n")


def test_without_runs_it_is_the_starter(base: Path) -> None:
    assert resolve_chat_target(None) == ChatTarget("starter", "starter")
    make_run(base, "empty")
    assert resolve_chat_target(None) == ChatTarget("starter", "starter")


def test_a_run_is_its_final_model_else_its_newest_whole_checkpoint(base: Path) -> None:
    run = make_run(base, "mine")
    with pytest.raises(UserError, match="saved no model"):
        resolve_chat_target("mine")
    make_checkpoint(run, 9)
    newest = make_checkpoint(run, 10)
    make_model(run.checkpoints_dir / "checkpoint-11")
    assert resolve_chat_target("mine") == ChatTarget(str(newest), "mine, step 10")
    assert resolve_chat_target(str(run.path)) == resolve_chat_target("mine") == resolve_chat_target(None)
    make_model(run.final_dir)
    assert resolve_chat_target("mine") == ChatTarget(str(run.final_dir), "mine")


def test_a_checkpoint_that_was_not_committed_is_refused(base: Path) -> None:
    run = make_run(base, "mine")
    unfinished = make_model(run.checkpoints_dir / "checkpoint-5")
    with pytest.raises(UserError, match="not saved completely"):
        resolve_chat_target(str(unfinished))


def test_folders_and_hub_names_go_through(base: Path) -> None:
    make_model(base / "some-model")
    assert resolve_chat_target("./some-model") == ChatTarget("some-model", "some-model")
    assert resolve_chat_target("./some-model").is_folder
    assert resolve_chat_target("Qwen/Qwen3-0.6B") == ChatTarget("Qwen/Qwen3-0.6B", "Qwen/Qwen3-0.6B")
    assert not resolve_chat_target("Qwen/Qwen3-0.6B").is_folder
    with pytest.raises(UserError):
        resolve_chat_target("/no/such/folder")


@pytest.mark.parametrize(
    ("data_format", "with_template"),
    [("text", "text"), ("messages", "turns"), ("prompt-completion", "turns"), ("", "turns")],
)
def test_what_a_run_was_trained_on_decides_how_its_model_is_talked_to(
    base: Path, data_format: str, with_template: str
) -> None:
    run = make_run(base, "mine")
    make_model(run.final_dir)
    end(run, data_format)
    for name in ("mine", str(run.final_dir)):
        assert resolve_chat_target(name).style(has_chat_template=True) == with_template
        assert resolve_chat_target(name).style(has_chat_template=False) == "text"


def test_a_checkpoint_of_a_run_that_is_not_over_tells_it_too(base: Path) -> None:
    run = make_run(base, "mine")
    run.events_path.write_text("")
    make_checkpoint(run, 3, data_format="text")
    assert resolve_chat_target("mine").style(has_chat_template=True) == "text"
