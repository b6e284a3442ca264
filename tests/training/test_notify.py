"""The program that is started at the end of a run: with the outcome in its environment, and never by a shell."""

from __future__ import annotations

import stat
import time
from pathlib import Path

import pytest

from tui_finetune.errors import UserError
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.result import RunResult
from tui_finetune.training import notify
from tui_finetune.training.notify import notify_arguments, run_notify_command


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A program that writes down its arguments and what it is told."""
    path = tmp_path / "tell me"
    path.write_text(f'#!/bin/sh\necho "$*" > "{tmp_path}/told"\nenv | grep FINETUNE_TUI_ | sort >> "{tmp_path}/told"\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def test_it_is_started_with_the_outcome_and_no_shell_reads_its_words(tmp_path: Path, program: Path) -> None:
    run = RunDirectory(tmp_path / "runs" / "tales-1")
    result = RunResult("failed", "the loss is\0 not a number", step=12, eval_loss=1.5)
    run_notify_command(f"'{program}' '$HOME; touch {tmp_path}/x' `date`", run, result)
    told = (tmp_path / "told").read_text().splitlines()
    assert told[0] == f"$HOME; touch {tmp_path}/x `date`"
    assert not (tmp_path / "x").exists()
    assert {
        f"FINETUNE_TUI_RUN={run.path}",
        "FINETUNE_TUI_NAME=tales-1",
        "FINETUNE_TUI_OUTCOME=failed",
        "FINETUNE_TUI_REASON=the loss is not a number",
        "FINETUNE_TUI_STEP=12",
        "FINETUNE_TUI_EVAL_LOSS=1.5",
    } <= set(told)


@pytest.mark.parametrize("command", ["no-such-program --x", "'unclosed", " "])
def test_what_is_no_program_is_refused_before_the_run(command: str) -> None:
    with pytest.raises(UserError) as caught:
        notify_arguments(command)
    assert caught.value.setting == "notify_command"
    run_notify_command(command, RunDirectory(Path("runs/a")), RunResult("finished"))  # later it can only be logged


def test_a_run_does_not_wait_for_it_forever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify, "WAIT_SECONDS", 0.1)
    began = time.monotonic()
    run_notify_command("sleep 3", RunDirectory(tmp_path), RunResult("finished"))
    assert time.monotonic() - began < 2
