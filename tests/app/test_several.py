"""A run of two processes from the app, with the real launcher: nobody could tell that it is not one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.tiny import make_model, sentences, write_jsonl
from tui_finetune.runs.status import word
from tui_finetune.tui.app import FinetuneApp


async def test_it_is_started_left_watched_again_and_stopped(home: Path, until: Any) -> None:
    choices = {
        "model_name_or_path": str(make_model(home / "llama")),
        "dataset_name": str(write_jsonl(home / "data.jsonl", sentences(40))),
        "num_processes": 2,
        "max_length": 64,
        "num_train_epochs": 10_000,
        "logging_steps": 1,
        "eval_strategy": "no",
        "save_strategy": "no",
        "sample_prompts": "off",
        "precision": "fp32",
    }
    app = FinetuneApp(choices=choices)
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("ctrl+r")
        monitor = app.state.monitor
        await until(pilot, lambda: monitor.watched is not None and monitor.watched.state.step > 2)
        assert monitor.launch is not None
        launch = monitor.launch
        await pilot.press("ctrl+d")
    assert launch.is_alive
    run = launch.run
    assert run.is_live

    app = FinetuneApp(run=run)
    async with app.run_test(size=(100, 30)) as pilot:
        watched = app.state.monitor.watched
        assert watched is not None
        step = watched.state.step
        await until(pilot, lambda: watched.state.step > step)
        await pilot.press("s")
        await until(pilot, lambda: bool(watched.state.checkpoints))
        await pilot.press("ctrl+c")
        await until(pilot, lambda: watched.state.status == "stopped")
        assert word(watched.status) == "stopped"
    assert launch.wait(60)
    assert not run.is_live
    assert launch.result is not None
    assert launch.result.checkpoint_step == launch.result.step
