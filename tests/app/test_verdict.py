"""The verdict on the Training screen: what went wrong or well, in words, and the keys that go on from there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from tests.app.fake_run import FakeRun, half_way
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.health import judge
from tui_finetune.runs.summary import load_state
from tui_finetune.tui.app import FinetuneApp
from tui_finetune.tui.monitor import Monitor
from tui_finetune.tui.screens.training.numbers import number_rows


async def settle(pilot: Pilot[Any]) -> None:
    for _ in range(4):
        await pilot.pause()


def logged(fake: FakeRun, losses: dict[int, float], evaluations: dict[int, float], **facts: float) -> None:
    """Write a run's numbers, step by step."""
    fake.write([fake.event("facts", **facts)])
    fake.write([fake.event("metrics", step=0, eval_loss=3.9, before_training=True, asked_for=True)])
    for step in sorted({*losses, *evaluations}):
        fake.write([fake.event("progress", phase="training", done=step, total=fake.total, unit="steps")])
        if step in losses:
            fake.write([fake.event("metrics", step=step, epoch=1.0, loss=losses[step], learning_rate=1e-3)])
        if step in evaluations:
            fake.write([fake.event("metrics", step=step, epoch=1.0, eval_loss=evaluations[step])])
        fake.step = step


def wrong_run(path: Path) -> FakeRun:
    """A run with a rate of 1 that has ended, as a trainer writes it."""
    fake = FakeRun(path, total=120, learning_rate=1.0)
    fake.prepare()
    losses = {step: 3.9 + 0.7 * step for step in range(4, 121, 4)}
    logged(fake, losses, {120: 84.0}, learning_rate=1.0, suggested_rate=2e-3)
    state = load_state(fake.run)
    state.status = "finished"
    fake.finish(verdict=judge(state, fake.run.read_config()).to_fields())
    return fake


def overfitted_run(path: Path) -> FakeRun:
    fake = FakeRun(path, total=220, learning_rate=2e-3)
    fake.prepare()
    losses = {step: 3.9 * 0.97**step for step in range(2, 122, 2)}
    evaluations = {55: 1.32, 77: 1.25, 99: 1.21, 110: 1.23, 121: 1.25}
    logged(fake, losses, evaluations, learning_rate=2e-3, suggested_rate=2e-3)
    return fake


async def test_a_run_that_went_wrong_is_not_praised(home: Path, shown: Callable[[Any], str]) -> None:
    app = FinetuneApp(clock=lambda: 0.0, run=wrong_run(home / "runs" / "starter-1").run)
    async with app.run_test(size=(120, 36)) as pilot:
        await settle(pilot)
        screen = " ".join(shown(app).split())
        assert "✗ Went wrong: the loss rose from 3.90 to" in screen
        assert "a learning rate of 1 is 500 times what suits this model" in screen
        assert "→ start it again with learning_rate 0.002" in screen
        assert "a again with learning_rate 0.002" in screen
        assert "✓ Finished" not in screen


def test_a_loss_that_fell_a_little_after_it_shot_up_is_not_called_better(tmp_path: Path) -> None:
    fake = FakeRun(tmp_path / "run", total=40, learning_rate=1.0)
    fake.prepare()
    logged(fake, {step: 3.9 if step < 4 else 120.0 - step for step in range(1, 41)}, {})
    (row,) = [row for row in number_rows(load_state(fake.run), None) if row.label == "loss"]
    assert (row.note, row.tone) == ("▲ was 3.900", "worse")


async def test_a_starts_it_again_as_advised(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = wrong_run(home / "runs" / "starter-1")
    began: list[Any] = []
    monkeypatch.setattr(Monitor, "train", lambda self, resolved: began.append(resolved))
    app = FinetuneApp(clock=lambda: 0.0, run=fake.run)
    async with app.run_test(size=(120, 36)) as pilot:
        await settle(pilot)
        await pilot.press("a")
        before = fake.run.read_config()
        assert began[0].config == before.model_copy(update={"learning_rate": 0.002})
        assert began[0].config.output_dir is None


async def test_overfitting_is_said_while_it_goes_with_its_step(
    home: Path, shown: Callable[[Any], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RunDirectory, "is_live", property(lambda self: True))
    fake = overfitted_run(home / "runs" / "starter-1")
    app = FinetuneApp(clock=lambda: 0.0, now=lambda: fake.now, run=fake.run)
    async with app.run_test(size=(120, 36)) as pilot:
        await settle(pilot)
        screen = " ".join(shown(app).split())
        assert "! Overfitting since step 99: the evaluation loss rose from 1.21 to 1.25" in screen
        fake.write([fake.event("metrics", step=122, epoch=2.0, eval_loss=1.1)])
        app.poll()
        await settle(pilot)
        assert "Overfitting" not in shown(app)


async def test_at_the_end_a_line_says_what_training_came_to(home: Path, shown: Callable[[Any], str]) -> None:
    fake = overfitted_run(home / "runs" / "starter-1")
    fake.finish(early_stopped=True)
    app = FinetuneApp(clock=lambda: 0.0, run=fake.run)
    async with app.run_test(size=(120, 36)) as pilot:
        await settle(pilot)
        words = "It went from 3.90 to 1.21 on text it never saw; after step 99 it only memorized."
        assert words in " ".join(shown(app).split())


async def test_n_puts_the_settings_into_the_plan(home: Path) -> None:
    fake = wrong_run(home / "runs" / "starter-1")
    app = FinetuneApp(clock=lambda: 0.0, run=fake.run)
    async with app.run_test(size=(120, 36)) as pilot:
        await settle(pilot)
        await pilot.press("n")
        await settle(pilot)
        assert app.current_mode == "settings"
        resolved = app.state.draft.resolved
        assert resolved is not None
        assert resolved.config == fake.run.read_config()
        assert resolved.config.learning_rate == 1.0


async def test_e_extends_a_finished_run(
    home: Path, monkeypatch: pytest.MonkeyPatch, shown: Callable[[Any], str]
) -> None:
    fake = half_way(home / "runs" / "starter-1")
    fake.train(240)
    fake.finish()
    resumed: list[Any] = []
    monkeypatch.setattr(Monitor, "resume", lambda self, run, changes: resumed.append((run, changes)))
    app = FinetuneApp(clock=lambda: 0.0, run=fake.run)
    async with app.run_test(size=(120, 36)) as pilot:
        await settle(pilot)
        await pilot.press("e")
        await settle(pilot)
        await pilot.press("enter")
        assert resumed == [(fake.run, {"num_train_epochs": "6"})]
