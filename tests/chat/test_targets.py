"""Whom `chat` talks to."""

import pytest

from tui_finetune.chat.targets import resolve_chat_target
from tui_finetune.config.schema import RunConfig
from tui_finetune.errors import UserError
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.starter.paths import MODEL


@pytest.fixture
def base(tmp_path, monkeypatch):
    monkeypatch.setenv("FINETUNE_TUI_STATE", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def make_run(base, name):
    run = RunDirectory(base / "runs" / name)
    run.create()
    run.write_config(RunConfig())
    return run


def make_model(folder, *, manifest=False):
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    if manifest:
        (folder / "manifest.json").write_text("{}")


def test_without_runs_it_is_the_starter(base):
    assert resolve_chat_target(None) == (str(MODEL), "starter")
    make_run(base, "empty")
    assert resolve_chat_target(None) == (str(MODEL), "starter")


def test_a_run_is_its_final_model_else_its_newest_whole_checkpoint(base):
    run = make_run(base, "mine")
    with pytest.raises(UserError, match="saved no model"):
        resolve_chat_target("mine")
    make_model(run.checkpoints_dir / "checkpoint-9", manifest=True)
    make_model(run.checkpoints_dir / "checkpoint-10", manifest=True)
    make_model(run.checkpoints_dir / "checkpoint-11")
    assert resolve_chat_target("mine") == (str(run.checkpoints_dir / "checkpoint-10"), "mine, step 10")
    assert resolve_chat_target(str(run.path)) == resolve_chat_target("mine") == resolve_chat_target(None)
    make_model(run.final_dir)
    assert resolve_chat_target("mine") == (str(run.final_dir), "mine")


def test_a_checkpoint_that_was_not_committed_is_refused(base):
    run = make_run(base, "mine")
    make_model(run.checkpoints_dir / "checkpoint-5")
    with pytest.raises(UserError, match="not saved to its end"):
        resolve_chat_target(str(run.checkpoints_dir / "checkpoint-5"))


def test_folders_and_hub_names_go_through(base):
    make_model(base / "some-model")
    assert resolve_chat_target("./some-model") == ("some-model", "some-model")
    assert resolve_chat_target("Qwen/Qwen3-0.6B") == ("Qwen/Qwen3-0.6B", "Qwen/Qwen3-0.6B")
    with pytest.raises(UserError):
        resolve_chat_target("/no/such/folder")
