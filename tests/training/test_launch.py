"""Starting and stopping a run: one interface for a thread and a process."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tui_finetune.config.resolve import resolve
from tui_finetune.errors import UserError
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.summary import load_state
from tui_finetune.training.launch import Launch, launch_in_thread, launch_process

LAUNCHERS: list[Callable[..., Launch]] = [launch_in_thread, launch_process]


def new_run(place: Path, models: Path, **settings: object):
    chosen = {
        "model_name_or_path": str(models / "llama"),
        "dataset_name": "data.jsonl",
        "max_length": 64,
        "per_device_train_batch_size": 2,
        "logging_steps": 1,
        "max_steps": 3,
        **settings,
    }
    run = RunDirectory(place / "run")
    run.create()
    return run, resolve(chosen)


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_a_run_is_trained_to_its_end_and_resumed(launcher: Any, place: Path, models: Path) -> None:
    run, resolved = new_run(place, models)
    launch = launcher(run, resolved)
    assert not launch.has_begun
    assert launch.result is None
    launch.begin()
    assert launch.has_begun
    assert launch.is_alive
    assert launch.wait(120)
    assert not launch.is_alive
    assert launch.result is not None
    assert (launch.result.status, launch.result.step) == ("finished", 3)

    again = launcher(run, None, {"max_steps": 5})
    again.begin()
    assert again.wait(120)
    assert again.result is not None
    assert (again.result.status, again.result.step) == ("finished", 5)
    assert load_state(run).resumed_from == 3
    assert not run.is_live


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_what_is_asked_right_after_the_making_is_obeyed_and_what_was_asked_before_is_not(
    launcher: Any, place: Path, models: Path
) -> None:
    run, resolved = new_run(place, models)
    before = run.request("pause")
    launch = launcher(run, resolved)
    launch.stop("changed my mind")
    launch.begin()
    assert launch.wait(120)
    assert launch.result is not None
    assert launch.result.status == "stopped"
    assert before not in load_state(run).answered


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_what_cannot_be_done_is_an_outcome(launcher: Any, place: Path, models: Path) -> None:
    run, resolved = new_run(place, models, dataset_name="nowhere.jsonl")
    launch = launcher(run, resolved)
    launch.begin()
    assert launch.wait(120)
    assert launch.result is not None
    assert launch.result.status == "failed"
    assert "nowhere.jsonl" in launch.result.reason


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_changes_that_would_make_another_run_are_refused_at_once(launcher: Any, place: Path, models: Path) -> None:
    run, resolved = new_run(place, models)
    run.write_config(resolved.config)
    with pytest.raises(UserError, match="seed"):
        launcher(run, None, {"seed": 7})


def test_a_process_is_live_from_its_first_moment_and_can_be_ended_at_once(place: Path, models: Path) -> None:
    run, resolved = new_run(place, models, max_steps=10_000, num_train_epochs=1000)
    launch = launch_process(run, resolved)
    launch.begin()
    assert run.is_live
    second = launch_process(run, resolved)
    with pytest.raises(UserError, match="trained already"):
        second.begin()
    assert launch.pid is not None
    assert os.getsid(launch.pid) == launch.pid
    wait_for(lambda: load_state(run).step > 1)
    launch.end_at_once()
    assert launch.wait(30)
    assert not run.is_live
    assert launch.result is None


def test_a_process_that_is_asked_to_end_saves_first(place: Path, models: Path) -> None:
    import signal

    run, resolved = new_run(place, models, max_steps=10_000, num_train_epochs=1000)
    launch = launch_process(run, resolved)
    launch.begin()
    wait_for(lambda: load_state(run).step > 1)
    assert launch.pid is not None
    os.kill(launch.pid, signal.SIGTERM)
    assert launch.wait(60)
    assert launch.result is not None
    assert launch.result.status == "stopped"
    assert launch.result.checkpoint_step == launch.result.step


def wait_for(condition: Callable[[], bool], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)
