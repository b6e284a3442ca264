"""Time left and time gone, told from events, whatever the machine's clock does."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.app.fake_run import half_way
from tests.events import event, line
from tui_finetune.runs.log import Follower, read_events
from tui_finetune.runs.pace import Pace
from tui_finetune.runs.state import RunState
from tui_finetune.runs.watch import Watch


def step(pace: Pace, moment: float, done: int) -> None:
    pace.apply(event("progress", time=moment, phase="training", done=done, total=100))


def test_time_left_is_the_usual_time_of_a_step_times_the_steps_left() -> None:
    pace = Pace()
    for n in range(11):
        step(pace, 1000 + 0.5 * n, n)
    assert pace.seconds_left(10, 100) == pytest.approx(45)
    assert pace.active_seconds == pytest.approx(5)


@pytest.mark.parametrize("jump", [3600, 86_400, -3600])
def test_fault_20_a_clock_that_is_set_changes_neither_time_left_nor_time_gone(jump: float) -> None:
    pace = Pace()
    for n in range(11):
        step(pace, 1000 + 0.5 * n + (jump if n >= 6 else 0), n)
    assert pace.seconds_left(10, 100) == pytest.approx(45)
    assert pace.active_seconds == pytest.approx(4.5)


def test_evaluations_and_pauses_are_no_part_of_a_step() -> None:
    pace = Pace()
    moment = 0.0
    for n in range(1, 8):
        moment += 0.5
        step(pace, moment, n)
        pace.apply(event("phase", time=moment, phase="evaluating"))
        moment += 30
        pace.apply(event("phase", time=moment, phase="training"))
        step(pace, moment, n)
    assert pace.seconds_per_step == pytest.approx(0.5)


def test_the_night_between_a_stop_and_a_resume_is_not_counted() -> None:
    state = RunState()
    state.apply(event("status", time=0.0, status="starting"))
    state.apply(event("status", time=60.0, status="stopped"))
    state.apply(event("status", time=400.0, status="starting", resumed_from=0))
    state.apply(event("status", time=410.0, status="running"))
    assert state.pace.active_seconds == pytest.approx(70)


def test_without_steps_nothing_is_claimed() -> None:
    assert Pace().seconds_left(0, 100) is None


def test_a_long_log_skimmed_says_the_same_as_read_in_full(tmp_path: Path) -> None:
    fake = half_way(tmp_path / "long-1")
    fake.train(240, every=1)
    fake.finish()
    skimmed = Watch(fake.run)
    kept = len(skimmed.poll())
    whole = RunState()
    assert whole.apply_all(read_events(fake.run.events_path)) > kept
    for name in (
        "status",
        "curves",
        "epoch",
        "best_eval_loss",
        "checkpoints",
        "samples",
        "notices",
        "result",
        "step",
        "total_steps",
    ):
        assert getattr(skimmed.state, name) == getattr(whole, name), name
    assert skimmed.state.pace.active_seconds == pytest.approx(whole.pace.active_seconds)
    assert skimmed.state.pace.seconds_per_step == pytest.approx(whole.pace.seconds_per_step)


def test_a_long_log_of_a_resumed_run_skimmed_has_every_loss(tmp_path: Path) -> None:
    log = tmp_path / "events.jsonl"
    clock = 1_750_000_000.0
    with log.open("wb") as file:
        for begin, end in ((0, 900), (500, 1600)):
            resumed = {"resumed_from": begin} if begin else {}
            file.write(line({"time": clock, "type": "status", "status": "starting", **resumed}))
            for step in range(begin + 1, end + 1):
                clock = round(clock + 45 * (step % 7) / 7, 3)
                loss = None if step == 700 else 5 / step
                file.write(line({"time": clock, "type": "progress", "phase": "training", "done": step}))
                file.write(
                    line(
                        {
                            "time": clock,
                            "type": "metrics",
                            "step": step,
                            "epoch": step / 9,
                            "loss": loss,
                            "learning_rate": 1e-5,
                        }
                    )
                )
                if step % 100 == 0:
                    file.write(line({"time": clock, "type": "metrics", "step": step, "epoch": 1, "eval_loss": loss}))
    events = Follower(log).poll(skim=True)
    skimmed, whole = RunState(), RunState()
    skimmed.apply_all(events)
    whole.apply_all(read_events(log))
    assert len(events) < 2000
    assert skimmed.curves == whole.curves
    assert skimmed.best_step == whole.best_step
    assert skimmed.pace.active_seconds == pytest.approx(whole.pace.active_seconds)


@pytest.mark.parametrize("after", [0, 600])
def test_skimmed_or_not_a_run_in_a_long_evaluation_is_where_it_is(tmp_path: Path, after: int) -> None:
    log = tmp_path / "events.jsonl"
    clock = 1_750_000_000.0
    with log.open("wb") as file:
        file.write(line({"time": clock, "type": "status", "status": "starting"}))
        for step in range(1, 1001):
            clock += 1
            file.write(line({"time": clock, "type": "progress", "phase": "training", "done": step, "total": 2000}))
            if step % 10 == 0:
                file.write(
                    line(
                        {
                            "time": clock,
                            "type": "metrics",
                            "step": step,
                            "epoch": step / 9,
                            "loss": 5 / step,
                            "learning_rate": step / 1e6,
                            "num_tokens": 512 * step,
                        }
                    )
                )
        file.write(line({"time": clock, "type": "phase", "phase": "evaluating"}))
        for done in range(after):
            clock = round(clock + 0.1, 1)
            file.write(line({"time": clock, "type": "progress", "phase": "evaluating", "done": done, "total": 700}))
            file.write(line({"time": clock, "type": "resources", "cpu_percent": 90.0}))
    skimmed, whole = RunState(), RunState()
    skimmed.apply_all(Follower(log).poll(skim=True))
    whole.apply_all(read_events(log))
    for name in ("curves", "epoch", "step", "total_steps", "progress", "phase", "updated"):
        assert getattr(skimmed, name) == getattr(whole, name), name
    assert skimmed.pace.active_seconds == pytest.approx(whole.pace.active_seconds)


def test_skimming_stumbles_over_no_line(tmp_path: Path) -> None:
    log = tmp_path / "events.jsonl"
    torn = [b'"loss":1.2.3,"x":1}', b'"loss":.,"x":1}', b'"loss":1.5,', b'"loss":1.5,"x":1}']
    lines = [b'{"time":1,"type":"metrics","step":1,"epoch":0.1,' + rest for rest in torn]
    lines.append(b'{"time":1,"type":"metrics","step":' + b"9" * 5000 + b',"epoch":0.1,"loss":1.5,"x":1}')
    other = b'{"time":2,"type":"sample"}'
    log.write_bytes(b"\n".join([*lines, *[other] * 200]) + b"\n")
    state = RunState()
    state.apply_all(Follower(log).poll(skim=True))
    assert list(state.losses) == [(1, 1.5)]
    assert len(state.samples) == 200


def test_lines_that_are_not_whole_are_left_out_of_a_log(tmp_path: Path) -> None:
    log = tmp_path / "events.jsonl"
    log.write_bytes(b'{"time":1,"type":"notice"}\n{"time":2,"ty\n[1]\n{"time":3,"type":"sample"}\n{"time":4')
    assert [told.time for told in Follower(log).poll()] == [1, 3]


def test_a_log_longer_than_what_is_read_at_a_time_is_taken_in_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = half_way(tmp_path / "long-1")
    poll = Follower.poll
    monkeypatch.setattr(Follower, "poll", lambda follower, limit=2000, **options: poll(follower, limit, **options))
    watch = Watch(fake.run)
    watch.poll()
    whole = RunState()
    assert whole.apply_all(read_events(fake.run.events_path)) > 50
    assert (watch.state.step, watch.state.losses) == (whole.step, whole.losses)
    assert watch.poll() == []
