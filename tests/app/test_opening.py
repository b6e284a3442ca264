"""What the app says of earlier runs when it is opened."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from tests.app.fake_run import FakeRun, half_way
from tui_finetune.runs.lock import RunLock
from tui_finetune.tui.app import FinetuneApp
from tui_finetune.tui.dialogs.confirm import Confirm
from tui_finetune.tui.monitor import Monitor

pytestmark = pytest.mark.usefixtures("earlier_runs")


@pytest.fixture
def interrupted(home: Path) -> FakeRun:
    """A run without an end, which nobody trains."""
    return half_way(home / "runs" / "tales-1")


@pytest.fixture
def going(interrupted: FakeRun) -> Iterator[FakeRun]:
    """The same, trained by somebody."""
    lock = RunLock(interrupted.run.lock_path)
    lock.acquire()
    yield interrupted
    lock.release()


async def test_a_run_that_is_going_is_offered_and_one_key_shows_it(
    going: FakeRun, until: Callable[..., Awaitable[None]]
) -> None:
    app = FinetuneApp()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, Confirm))
        assert "tales-1 is running" in str(app.screen.query_one("#question").render())
        await pilot.press("w")
        await until(pilot, lambda: app.current_mode == "training")
        assert app.state.monitor.watched is not None
        assert app.state.monitor.watched.run.path == going.run.path


async def test_the_offer_can_be_left_alone(going: FakeRun, until: Callable[..., Awaitable[None]]) -> None:
    app = FinetuneApp()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, Confirm))
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is app.tab_screen)
        assert app.current_mode == "model"
        assert app.state.monitor.watched is None


async def test_an_interrupted_run_is_told_of_and_4_then_r_goes_on_with_it(
    interrupted: FakeRun,
    monkeypatch: pytest.MonkeyPatch,
    until: Callable[..., Awaitable[None]],
) -> None:
    resumed: list[str] = []
    monkeypatch.setattr(Monitor, "resume", lambda self, run: resumed.append(run.name))
    app = FinetuneApp()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: any("tales-1 was interrupted" in note.title for note in app._notifications))
        assert not isinstance(app.screen, Confirm)
        app.screen.set_focus(None)
        await pilot.press("4")
        await until(pilot, lambda: app.current_mode == "training" and app.screen.is_mounted)
        await pilot.press("r")
        await until(pilot, lambda: resumed == ["tales-1"])


async def test_nothing_is_said_of_a_run_that_ended(interrupted: FakeRun) -> None:
    interrupted.finish("stopped")
    app = FinetuneApp()
    async with app.run_test(size=(80, 24)) as pilot:
        await app.workers.wait_for_complete()
        await pilot.pause()
        assert app.state.monitor.watched is None
        assert app.screen is app.tab_screen
