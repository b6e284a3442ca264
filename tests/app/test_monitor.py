"""The runs that are watched and trained, without an app."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.app.fake_run import FakeRun, half_way
from tests.app.stand_ins import Clock, FakeHost, FakeLaunch
from tui_finetune.config.resolve import Resolved
from tui_finetune.config.schema import RunConfig
from tui_finetune.runs.control import take
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.lock import RunLock
from tui_finetune.tui.monitor import Monitor


class Trainings:
    """Prepares trainings that never begin by themselves."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, bool, dict[str, object]]] = []

    def __call__(self, run: RunDirectory, resolved: Resolved | None, changes: Mapping[str, object]) -> FakeLaunch:
        self.asked.append((run.name, resolved is None, dict(changes)))
        return FakeLaunch(run)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def host() -> FakeHost:
    return FakeHost()


@pytest.fixture
def trainings() -> Trainings:
    return Trainings()


@pytest.fixture
def monitor(host: FakeHost, trainings: Trainings, clock: Clock) -> Monitor:
    return Monitor(host, trainings, clock)


@pytest.fixture
def going(home: Path) -> FakeRun:
    """A run at step 360 of 600."""
    return half_way(home / "runs" / "tales-1")


def test_numbers_that_only_move_are_told_once_a_second(monitor: Monitor, going: FakeRun, clock: Clock) -> None:
    news: list[int] = []
    with RunLock(going.run.lock_path):
        monitor.watch(going.run)
        monitor.on_news = lambda: news.append(monitor.watched.state.step if monitor.watched else 0)
        monitor.poll()
        going.train(5)
        monitor.poll()
        assert news == [365]
        clock.seconds += 0.3
        going.train(5)
        monitor.poll()
        assert news == [365]
        clock.seconds += 1.0
        monitor.poll()
        assert news == [365, 370]
        going.notice("the disk is nearly full")
        monitor.poll()
        assert len(news) == 3


def test_on_a_busy_machine_who_only_watches_draws_seldom(
    monitor: Monitor, going: FakeRun, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    news: list[int] = []
    monkeypatch.setattr("tui_finetune.tui.monitor.is_busy", lambda: True)
    with RunLock(going.run.lock_path):
        monitor.watch(going.run)
        monitor.on_news = lambda: news.append(going.step)
        clock.seconds += 10
        for _ in range(20):
            going.train(1)
            clock.seconds += 1.0
            monitor.poll()
        assert 4 <= len(news) <= 5
        going.notice("something is wrong")
        monitor.poll()
        assert 5 <= len(news) <= 6, "what tells something is shown at once"


def test_the_light_says_how_far_a_run_is_and_what_became_of_it(monitor: Monitor, going: FakeRun) -> None:
    assert monitor.light() == ("",)
    with RunLock(going.run.lock_path):
        monitor.watch(going.run)
        assert monitor.light() == ("● tales-1  60 %", "● 60 %")
        going.finish("stopped")
        monitor.poll()
        assert monitor.light() == ("■ stopped", "■")


def test_a_request_goes_to_the_run_that_is_watched_and_says_so_where_none_is_going(
    monitor: Monitor, host: FakeHost, going: FakeRun
) -> None:
    assert monitor.request("pause") is None
    with RunLock(going.run.lock_path):
        monitor.watch(going.run)
        request = monitor.request("pause")
        assert [(asked.id, asked.action) for asked in take(going.run.control_dir)] == [(request, "pause")]
    assert any("No run is in progress" in words for words in host.said)


def test_training_makes_a_run_and_watches_it(monitor: Monitor, trainings: Trainings, home: Path) -> None:
    shown: list[bool] = []
    monitor.on_watch = lambda: shown.append(monitor.is_training)
    monitor.train(Resolved(RunConfig(dataset_name="sea-tales")))
    assert trainings.asked == [("starter-sea-tales-1", False, {})]
    assert monitor.watched is not None
    assert monitor.watched.run.path == home / "runs" / "starter-sea-tales-1"
    assert shown == [True]
    monitor.resume(monitor.watched.run)
    assert len(trainings.asked) == 1  # one at a time


def test_resuming_takes_what_the_run_advises(monitor: Monitor, trainings: Trainings, going: FakeRun) -> None:
    changes = {"per_device_train_batch_size": 4}
    going.status("failed", reason="the device's memory is full", remedies=[{"words": "", "changes": changes}])
    monitor.resume(going.run)
    monitor.launch = None
    monitor.resume(going.run, {"max_steps": "9"})
    assert [asked[1:] for asked in trainings.asked] == [(True, changes), (True, {"max_steps": "9"})]


@pytest.mark.usefixtures("earlier_runs")
def test_a_run_that_is_going_is_offered_and_an_interrupted_one_told(
    monitor: Monitor, host: FakeHost, going: FakeRun
) -> None:
    with RunLock(going.run.lock_path):
        monitor.look_for_runs()
    question, answered = host.asked[0]
    assert question.question == "tales-1 is running in the background."
    assert monitor.watched is None
    monitor.look_for_runs()
    assert monitor.watched is not None
    assert monitor.watched.status == "interrupted"
    assert any("It was at step 360" in words for words in host.said)
    answered("stay")
