"""The compact history beside a long log: it says what the log says, and is never trusted over it."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from tests.events import line
from tui_finetune.runs import history, log
from tui_finetune.runs.events import MetricsEvent, NoticeEvent, ProgressEvent, StatusEvent
from tui_finetune.runs.history import extend_history, history_path, read_history
from tui_finetune.runs.log import EventLog, Follower, read_digest, read_events
from tui_finetune.runs.state import RunState

BEGAN = 1.7e9


@pytest.fixture(autouse=True)
def short_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (history, log):
        monkeypatch.setattr(module, "SEGMENT", 40_000)
    monkeypatch.setattr(history, "LEFT", 10_000)


def lines(steps: int, seed: int = 1) -> list[bytes]:
    """A log as a trainer writes it, with an evaluation, a number that is none, and a resume."""
    rng = random.Random(seed)
    found = [
        line({"time": BEGAN, "type": "status", "status": "starting", "model": f"m{seed}", "dataset": "d"}),
        line({"time": BEGAN, "type": "status", "status": "running", "total_steps": 9999}),
        line({"time": BEGAN, "type": "phase", "phase": "training", "label": ""}),
    ]
    for step in range(1, steps + 1):
        now = round(BEGAN + step / 2 + (3000 if step > steps // 3 else 0), 3)
        values = {"loss": rng.random(), "grad_norm": None if step == 77 else rng.random(), "num_tokens": 4096 * step}
        found.append(
            line({"time": now, "type": "progress", "phase": "training", "done": step, "total": 9999, "unit": "steps"})
        )
        found.append(line({"time": now, "type": "metrics", "step": step, "epoch": round(step / 900, 4), **values}))
        if step % 300 == 0:
            found.append(line({"time": now, "type": "metrics", "step": step, "epoch": 1.0, "eval_loss": rng.random()}))
            found.append(line({"time": now, "type": "notice", "level": "info", "message": "Ünïcode", "remedy": ""}))
        if step == steps // 2:
            found.append(line({"time": now, "type": "status", "status": "starting", "resumed_from": step - 50}))
            found.append(line({"time": now, "type": "status", "status": "running", "total_steps": 9999}))
            found.append(line({"time": now, "type": "phase", "phase": "training", "label": ""}))
    return found


@pytest.fixture
def events_path(tmp_path: Path) -> Path:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"".join(lines(2000)))
    return path


def watched(path: Path) -> RunState:
    """As who attaches sees it."""
    state, follower = RunState(), Follower(path)
    while events := follower.poll(skim=True):
        state.apply_all(events)
    return state


def assert_same(path: Path) -> None:
    state, whole = watched(path), RunState()
    whole.apply_all(read_events(path))
    assert state.losses == whole.losses
    assert state.eval_losses == whole.eval_losses
    assert state.curves == whole.curves
    for name in ("status", "step", "epoch", "best_step", "starts", "resumes", "started", "updated", "model", "notices"):
        assert getattr(state, name) == getattr(whole, name), name
    assert state.pace.active_seconds == pytest.approx(whole.pace.active_seconds)


def test_the_history_says_what_the_log_says(events_path: Path) -> None:
    assert_same(events_path)
    events, offset = read_history(events_path)
    assert offset > events_path.stat().st_size - 60_000
    assert len(events) < 400
    assert history_path(events_path).stat().st_size < events_path.stat().st_size
    assert history_path(events_path).stat().st_mode & 0o777 == 0o600
    assert_same(events_path)


def test_it_grows_with_the_log_and_what_is_there_stays(events_path: Path) -> None:
    extend_history(events_path)
    before = history_path(events_path).read_bytes()
    with events_path.open("ab") as file:
        file.writelines(lines(900, seed=2)[3:])
    assert_same(events_path)
    after = history_path(events_path).read_bytes()
    assert after.startswith(before)
    assert len(after) > len(before)


def test_a_short_log_has_none(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"".join(lines(50)))
    assert_same(path)
    assert not history_path(path).exists()
    assert read_history(tmp_path / "nothing.jsonl") == ([], 0)


@pytest.mark.parametrize("of", ["another log", "a longer log", "a changed log", "nothing known"])
def test_what_does_not_fit_the_log_is_made_again(events_path: Path, of: str) -> None:
    extend_history(events_path)
    before = history_path(events_path).read_bytes()
    data = events_path.read_bytes()
    if of == "another log":
        events_path.write_bytes(b"".join(lines(2000, seed=3)))
    elif of == "a longer log":
        events_path.write_bytes(b"".join(lines(1000)))
    elif of == "a changed log":
        place = data.index(b'"loss":0.', len(data) // 2 // 40_000 * 40_000)
        events_path.write_bytes(data[: place + 9] + b"1" + data[place + 10 :])
        os.utime(events_path, (BEGAN, BEGAN))
    else:
        history_path(events_path).write_bytes(b'{"format":99}\n' + before)
    assert_same(events_path)
    assert (history_path(events_path).read_bytes() == before) is (of in {"a changed log", "nothing known"})


def test_torn_damaged_and_strange_histories_change_nothing(events_path: Path, tmp_path: Path) -> None:
    extend_history(events_path)
    path = history_path(events_path)
    sound = path.read_bytes()
    rng = random.Random(5)
    for _ in range(40):
        data = bytearray(sound)
        if rng.random() < 0.3:
            del data[rng.randrange(len(data)) :]
        for _ in range(rng.randrange(4)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        path.write_bytes(data)
        state, whole = watched(events_path), RunState()
        whole.apply_all(read_events(events_path))
        assert state.losses == whole.losses
        assert state.step == whole.step
    path.unlink()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"mine")
    for make in (lambda: path.symlink_to(elsewhere), lambda: os.mkfifo(path), path.mkdir):
        make()
        assert_same(events_path)
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    assert elsewhere.read_bytes() == b"mine"


def test_numbers_that_no_run_could_have_logged_are_not_taken(events_path: Path) -> None:
    extend_history(events_path)
    path = history_path(events_path)
    first = path.read_bytes().split(b"\n", 1)[0]
    for key in (b'"text": ', b'"blob": ', b'"end": ', b'"begin": '):
        at = first.index(key) + len(key)
        path.write_bytes(first[:at] + b"9" * 18 + first[first.index(b",", at) :] + b"\n" + b"x" * 1000)
        assert_same(events_path)


def test_the_other_curves_are_there_also_when_the_history_is_gone(events_path: Path) -> None:
    state, whole = watched(events_path), RunState()
    whole.apply_all(read_events(events_path))
    history_path(events_path).unlink()
    assert state.curves.known("grad_norm") != whole.curve("grad_norm")
    assert state.curve("grad_norm") == whole.curve("grad_norm")


def test_a_trainer_keeps_it_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    events = EventLog(path)
    events.write(StatusEvent("starting", model="m", dataset="d"))
    for step in range(1, 1500):
        events.write(ProgressEvent("training", step, 1500, "steps"))
        events.write(MetricsEvent(step, step / 100, {"loss": 1 / step, "learning_rate": 1e-3}))
    events.close()
    assert history_path(path).stat().st_size > 0
    before = history_path(path).read_bytes()
    assert_same(path)
    assert history_path(path).read_bytes().startswith(before)


def test_a_digest_of_another_log_is_made_again(events_path: Path) -> None:
    known = read_digest(events_path)
    assert known == [each.rstrip(b"\n") for each in lines(2000) if b'"status"' in each or b"eval_loss" in each]
    events_path.write_bytes(b"".join(lines(400, seed=9)))
    assert read_digest(events_path)[0].count(b'"m9"') == 1


def test_notices_keep_their_place(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"".join(lines(3000)))
    kinds = [type(event) for event in read_history(path)[0] if isinstance(event, (NoticeEvent, StatusEvent))]
    assert kinds[:2] == [StatusEvent, StatusEvent]
    assert kinds.count(NoticeEvent) >= 9
