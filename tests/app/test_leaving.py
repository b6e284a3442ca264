"""Stopping and leaving, without an app: what each press means, and what becomes of a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.app.fake_run import half_way
from tests.app.stand_ins import Clock, FakeHost, FakeLaunch
from tui_finetune.runs.control import take
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.lock import RunLock
from tui_finetune.system.stopping import BURST_SECONDS, Press, Stopping
from tui_finetune.tui.app import FinetuneApp
from tui_finetune.tui.dialogs.confirm import Confirm
from tui_finetune.tui.leaving import Leaving
from tui_finetune.tui.monitor import Monitor


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def host() -> FakeHost:
    return FakeHost()


@pytest.fixture
def launch(home: Path) -> FakeLaunch:
    return FakeLaunch(half_way(home / "runs" / "tales-1").run)


@pytest.fixture
def monitor(host: FakeHost, launch: FakeLaunch, clock: Clock) -> Monitor:
    """Trains a run here."""
    monitor = Monitor(host, lambda run, resolved, changes: launch, clock)
    monitor.resume(launch.run, {})
    return monitor


def asked(run: RunDirectory) -> list[str]:
    return [request.action for request in take(run.control_dir)]


def test_presses_apart_stop_ask_and_end(clock: Clock) -> None:
    stopping = Stopping(clock)
    pressed = []
    for _ in range(4):
        pressed.append(stopping.press())
        clock.seconds += 1
    assert pressed == [Press.STOP, Press.ASK, Press.END, Press.END]


def test_d5_ctrl_c_held_is_one_press(clock: Clock, host: FakeHost, monitor: Monitor, launch: FakeLaunch) -> None:
    leaving = Leaving(host, monitor, clock)
    for _ in range(100):
        leaving.interrupt()
        clock.seconds += 0.033
    assert asked(launch.run) == ["stop"]
    assert host.asked == []
    assert host.left == []
    clock.seconds += BURST_SECONDS
    leaving.interrupt()
    (question, _) = host.asked[0]
    assert "End it at once" in question.question


def test_the_answer_to_wait_asks_again_at_the_next_press(clock: Clock, host: FakeHost, monitor: Monitor) -> None:
    leaving = Leaving(host, monitor, clock)
    for number in range(3):
        leaving.interrupt()
        clock.seconds += 1
        if number:
            host.asked[-1][1]("wait")
    assert len(host.asked) == 2
    host.asked[-1][1]("end")
    assert leaving.ended_at_once
    assert host.left == [130]


def test_quitting_without_a_run_leaves(host: FakeHost, clock: Clock) -> None:
    Leaving(host, Monitor(host, clock=clock), clock).quit()
    assert host.left == [0]


def test_quitting_with_a_run_asks_and_saving_waits_for_its_end(
    host: FakeHost, monitor: Monitor, launch: FakeLaunch, clock: Clock
) -> None:
    leaving = Leaving(host, monitor, clock)
    leaving.quit()
    host.asked[0][1]("stop")
    assert asked(launch.run) == ["stop"]
    leaving.check()
    assert host.left == []
    launch.is_alive = False
    leaving.check()
    assert host.left == [0]


def test_a_run_that_has_not_begun_begins_when_the_app_is_left(
    host: FakeHost, monitor: Monitor, launch: FakeLaunch, clock: Clock
) -> None:
    assert not launch.has_begun
    Leaving(host, monitor, clock).detach()
    assert launch.has_begun
    assert host.left == [0]


def test_a_second_run_is_refused_while_one_is_trained(host: FakeHost, monitor: Monitor, launch: FakeLaunch) -> None:
    monitor.resume(launch.run)
    assert "A run is in progress" in host.said[-1]


def test_a_run_in_another_process_cannot_be_ended_at_once(host: FakeHost, home: Path, clock: Clock) -> None:
    run = half_way(home / "runs" / "theirs").run
    monitor = Monitor(host, clock=clock)
    with RunLock(run.lock_path):
        monitor.watch(run)
        leaving = Leaving(host, monitor, clock)
        for _ in range(3):
            leaving.interrupt()
            clock.seconds += 1
    assert asked(run) == ["stop"]
    assert host.left == []
    assert "in another process" in host.said[-1]


async def test_c1_the_palette_opens_once_and_a_run_does_not_start_behind_it(home: Path) -> None:
    app = FinetuneApp()
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.pause()
        await pilot.press("ctrl+p", "ctrl+r", "ctrl+p", "pagedown", "ctrl+p", "4", "escape")
        await pilot.pause()
        await pilot.press("ctrl+p", "escape", "escape", "question_mark", "question_mark", "ctrl+q")
        await pilot.pause()
    assert app.state.monitor.launch is None
    assert app.return_code in (0, None)


async def test_c1_a_dialog_is_answered_once(home: Path) -> None:
    fake = half_way(home / "runs" / "tales-1")
    launch = FakeLaunch(fake.run)
    app = FinetuneApp(run=fake.run)
    app.state.monitor.launch = launch
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.pause()
        await pilot.press("ctrl+q")
        await pilot.pause()
        assert isinstance(app.screen, Confirm)
        question = app.screen
        question.dismiss("stop")
        question.dismiss("stop")
        await pilot.press("s", "s", "s")
        await pilot.pause()
        assert asked(fake.run)[:1] == ["stop"]
        launch.is_alive = False
        app.poll()
    assert app.return_code == 0
