"""The Runs screen: what it lists, what its keys do, what deleting deletes."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, Static

from tests.app.fake_run import BEGAN, FakeRun, half_way
from tests.app.pictures import NARROW, SIZES, pictures
from tui_finetune.errors import UserError
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.lock import RunLock
from tui_finetune.runs.registry import known_runs, note
from tui_finetune.runs.removal import delete_run, run_bytes
from tui_finetune.tui.app import FinetuneApp
from tui_finetune.tui.dialogs.confirm import Confirm
from tui_finetune.tui.monitor import Monitor
from tui_finetune.tui.screens.runs.screen import RunsScreen
from tui_finetune.tui.screens.runs.table import RunsTable
from tui_finetune.tui.state import AppState


def later() -> float:
    """A while after the runs have begun."""
    return BEGAN + 3 * 3600


@pytest.fixture
def runs(home: Path) -> dict[str, RunDirectory]:
    """Three runs: a finished one, a stopped one, an interrupted one; the first is the newest."""
    finished = half_way(home / "runs" / "starter-sea-tales-1", seed=1)
    finished.train(240)
    finished.finish()
    stopped = half_way(home / "runs" / "starter-sea-tales-2", seed=2, learning_rate=1e-3, num_train_epochs=5.0)
    stopped.finish("stopped")
    interrupted = half_way(
        home / "runs" / "gpt2-letters-1", seed=3, model_name_or_path="gpt2", dataset_name="letters.txt"
    )
    made = [finished, stopped, interrupted]
    for age, fake in enumerate(made):
        os.utime(fake.run.events_path, (BEGAN - age, BEGAN - age))
    return {fake.run.name: fake.run for fake in made}


async def settle(pilot: Pilot[Any]) -> None:
    """Wait until list and details are there."""
    for _ in range(3):
        await pilot.pause()
        await pilot.app.workers.wait_for_complete()
    await pilot.pause()
    await pilot.pause()


def names(app: FinetuneApp) -> list[str]:
    return [summary.name for summary in app.screen.query_one(RunsTable).summaries]


def details(app: FinetuneApp) -> str:
    return str(app.screen.query_one("#facts-text", Static).content)


def messages(app: FinetuneApp) -> str:
    return "\n".join(notification.message for notification in app._notifications)


@pictures("runs", "three", NARROW, *SIZES)
@pytest.mark.usefixtures("runs")
def test_picture_of_the_list(snap_compare: Any, size: tuple[int, int]) -> None:
    async def look_at_the_second(pilot: Pilot[Any]) -> None:
        await settle(pilot)
        await pilot.press("down")
        await settle(pilot)

    assert snap_compare(FinetuneApp(tab="runs", now=later), terminal_size=size, run_before=look_at_the_second)


@pytest.mark.usefixtures("runs")
async def test_runs_are_listed_newest_first_with_what_became_of_them(shown: Callable[[Any], str]) -> None:
    app = FinetuneApp(tab="runs", now=later)
    async with app.run_test(size=(120, 36)) as pilot:
        await settle(pilot)
        assert names(app) == ["starter-sea-tales-1", "starter-sea-tales-2", "gpt2-letters-1"]
        screen = shown(app)
        for words in ("✓ finished", "■ stopped", "✗ interrupted", "360 / 600", "1.804", "2 h ago"):
            assert words in screen, words


async def test_without_runs_it_says_how_to_get_one(shown: Callable[[Any], str]) -> None:
    app = FinetuneApp(tab="runs", now=later)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert "No runs yet. ctrl+r starts one" in shown(app)
        await pilot.press("enter", "r", "c", "d")


@pytest.mark.usefixtures("runs")
async def test_details_follow_the_cursor(shown: Callable[[Any], str]) -> None:
    app = FinetuneApp(tab="runs", now=later)
    async with app.run_test(size=(120, 36)) as pilot:
        await settle(pilot)
        assert details(app).startswith("starter-sea-tales-1")
        await pilot.press("down")
        await settle(pilot)
        told = details(app)
        assert told.startswith("starter-sea-tales-2")
        assert "learning_rate" in told
        assert "0.001" in told
        assert "weight_decay" not in told
        assert any("\u2800" < c <= "\u28ff" for c in shown(app))


@pytest.mark.usefixtures("runs")
async def test_the_filter_works_as_it_is_typed_and_escape_takes_it_away(shown: Callable[[Any], str]) -> None:
    app = FinetuneApp(tab="runs", now=later)
    async with app.run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        await pilot.press("slash", *"letters", "enter")
        await settle(pilot)
        assert names(app) == ["gpt2-letters-1"]
        assert details(app).startswith("gpt2-letters-1")
        await pilot.press("slash", *"xyz")
        await settle(pilot)
        assert "No run matches." in shown(app)
        await pilot.press("escape")
        await settle(pilot)
        assert len(names(app)) == 3


async def test_enter_shows_the_run_on_the_training_screen(runs: dict[str, RunDirectory]) -> None:
    app = FinetuneApp(tab="runs", now=later)
    async with app.run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        await pilot.press("down", "enter")
        await pilot.pause()
        assert app.current_mode == "training"
        assert app.state.monitor.watched is not None
        assert app.state.monitor.watched.run == runs["starter-sea-tales-2"]


async def test_r_extends_a_finished_run_by_as_many_epochs_as_are_asked_for(
    runs: dict[str, RunDirectory], monkeypatch: pytest.MonkeyPatch, shown: Callable[[Any], str]
) -> None:
    resumed: list[tuple[RunDirectory, object]] = []
    monkeypatch.setattr(Monitor, "resume", lambda self, run, changes=None: resumed.append((run, changes)))
    app = FinetuneApp(tab="runs", now=later)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("r")
        await settle(pilot)
        assert "How many epochs" in shown(app)
        answer = app.screen.query_one("#answer", Input)
        answer.value = "2"
        await pilot.press("enter")
        assert "It has 3 already." in shown(app)
        answer.value = "5"
        await pilot.press("enter")
        assert resumed == [(runs["starter-sea-tales-1"], {"num_train_epochs": "5"})]


async def test_r_resumes_what_was_stopped_and_nothing_that_is_going(
    runs: dict[str, RunDirectory], monkeypatch: pytest.MonkeyPatch
) -> None:
    resumed: list[RunDirectory] = []
    monkeypatch.setattr(Monitor, "resume", lambda self, run: resumed.append(run))
    app = FinetuneApp(tab="runs", now=later)
    async with app.run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        await pilot.press("down", "r")
        assert resumed == [runs["starter-sea-tales-2"]]
        with RunLock(runs["starter-sea-tales-2"].lock_path):
            await pilot.press("r")
        assert len(resumed) == 1
        assert "is already running" in messages(app)


async def test_c_chats_with_the_run(runs: dict[str, RunDirectory], monkeypatch: pytest.MonkeyPatch) -> None:
    chatted: list[str] = []
    monkeypatch.setattr(AppState, "chat_with", lambda self, name: chatted.append(name))
    app = FinetuneApp(tab="runs", now=later)
    async with app.run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        await pilot.press("c")
        assert chatted == [str(runs["starter-sea-tales-1"].path)]


async def test_deleting_asks_first_and_says_how_much(
    runs: dict[str, RunDirectory], shown: Callable[[Any], str]
) -> None:
    run = runs["starter-sea-tales-1"]
    (run.path / "final" / "model.safetensors").write_bytes(b"0" * 5_000_000)
    app = FinetuneApp(tab="runs", now=later)
    async with app.run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        await pilot.press("d")
        await settle(pilot)
        assert "Delete starter-sea-tales-1?" in shown(app)
        assert "5.1 MB" in shown(app)
        await pilot.press("enter")  # the safe answer has the focus
        await settle(pilot)
        assert run.exists
        await pilot.press("d")
        await settle(pilot)
        await pilot.press("x")
        await settle(pilot)
        assert not run.path.exists()
        assert names(app) == ["starter-sea-tales-2", "gpt2-letters-1"]


@pytest.mark.parametrize("pause", [False, True])
async def test_d6_the_key_that_asked_never_answers(
    runs: dict[str, RunDirectory], until: Callable[..., Awaitable[None]], pause: bool
) -> None:
    run = runs["starter-sea-tales-1"]
    app = FinetuneApp(tab="runs", now=later)
    async with app.run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        await pilot.press(*["d"] * 10)
        await until(pilot, lambda: isinstance(app.screen, Confirm))
        if pause:
            await settle(pilot)
        await pilot.press(*["d"] * 10)
        await settle(pilot)
        assert isinstance(app.screen, Confirm)
        await pilot.press("escape", "escape")
        await settle(pilot)
        assert isinstance(app.screen, RunsScreen)
        assert run.exists


async def test_a_run_that_is_going_is_not_deleted(runs: dict[str, RunDirectory]) -> None:
    run = runs["starter-sea-tales-1"]
    app = FinetuneApp(tab="runs", now=later)
    async with app.run_test(size=(100, 30)) as pilot:
        with RunLock(run.lock_path):
            await settle(pilot)
            await pilot.press("d")
            await settle(pilot)
        assert isinstance(app.screen, RunsScreen)
        assert "is being trained" in messages(app)
        assert run.exists


async def test_markup_in_a_configuration_is_only_text(home: Path, shown: Callable[[Any], str]) -> None:
    FakeRun(
        home / "runs" / "odd-1",
        model_name_or_path="[/red][@click=app.quit()]m",
        dataset_name="[bold]d\x1b]52;c;aGk=\x07",
    )
    app = FinetuneApp(tab="runs", now=later)
    async with app.run_test(size=(160, 36)) as pilot:
        await settle(pilot)
        screen = shown(app)
        assert screen.count("[/red][@click=app.quit()]m") == 2
        assert "[bold]d" in screen
        assert not any(c in screen for c in "\x1b\x07")


@pytest.mark.usefixtures("runs")
async def test_any_size_is_survived() -> None:
    app = FinetuneApp(tab="runs", now=later)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        for width, height in [(1, 1), (20, 5), (2, 40), (200, 3), (60, 20), (240, 80), (80, 24)]:
            await pilot.resize_terminal(width, height)
            await pilot.press("down")
            await settle(pilot)
        assert app.is_running


# Deleting


def test_deleting_leaves_what_is_not_the_runs(tmp_path: Path) -> None:
    path = tmp_path / "mine"
    fake = half_way(path)
    fake.finish()
    (path / "thesis.txt").write_text("three years of work")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept.txt").write_text("kept")
    fake.run.checkpoints_dir.rmdir()
    fake.run.checkpoints_dir.symlink_to(outside)
    note(fake.run)
    assert run_bytes(fake.run) > 10_000
    delete_run(fake.run)
    assert [child.name for child in path.iterdir()] == ["thesis.txt"]
    assert (outside / "kept.txt").exists()
    assert fake.run not in known_runs(tmp_path)


def test_a_run_that_is_being_trained_refuses_to_be_deleted(tmp_path: Path) -> None:
    fake = FakeRun(tmp_path / "live")
    with RunLock(fake.run.lock_path), pytest.raises(UserError, match="being trained"):
        delete_run(fake.run)
    assert fake.run.exists
