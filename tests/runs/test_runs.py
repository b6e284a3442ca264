"""The run directory: events, follower, requests, lock, state, registry."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.events import event, raw_events
from tui_finetune.config.schema import RunConfig
from tui_finetune.errors import UserError
from tui_finetune.runs import control, registry
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.events import MetricsEvent, NoticeEvent, from_fields
from tui_finetune.runs.lock import RunLock, holder, is_held
from tui_finetune.runs.log import EventLog, Follower
from tui_finetune.runs.naming import new_run_path
from tui_finetune.runs.state import RunState
from tui_finetune.runs.summary import load_state, summarize
from tui_finetune.runs.watch import Watch


@pytest.fixture
def run(tmp_path, monkeypatch) -> RunDirectory:
    monkeypatch.setenv("FINETUNE_TUI_STATE", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    directory = RunDirectory(tmp_path / "runs" / "one")
    directory.create()
    return directory


# The event log


def test_a_follower_sees_each_event_once_and_in_order(run: RunDirectory) -> None:
    log, follower = EventLog(run.events_path), Follower(run.events_path)
    log.write(event("status", status="starting"))
    log.write(event("metrics", step=1, loss=2.5))
    assert [told.type for told in follower.poll()] == ["status", "metrics"]
    assert follower.poll() == []
    log.write(event("notice", message="hello"))
    assert [told.notice.message for told in follower.poll() if isinstance(told, NoticeEvent)] == ["hello"]


def test_a_follower_waits_for_a_line_to_be_whole(run: RunDirectory) -> None:
    follower = Follower(run.events_path)
    assert follower.poll() == []
    with run.events_path.open("ab") as file:
        file.write(b'{"time":1,"type":"met')
        file.flush()
        assert follower.poll() == []
        file.write(b'rics","step":3}\n')
    (told,) = follower.poll()
    assert isinstance(told, MetricsEvent)
    assert told.step == 3


def test_a_line_torn_by_a_crash_loses_only_itself(run: RunDirectory) -> None:
    run.events_path.write_bytes(b'{"time":1,"type":"metrics","step":1}\n{"time":2,"type":"metr')
    EventLog(run.events_path).write(event("metrics", step=2))
    assert [told["step"] for told in raw_events(run.events_path)] == [1, 2]


def test_lines_from_many_threads_are_whole(run: RunDirectory) -> None:
    log = EventLog(run.events_path)

    def work(number: int) -> None:
        for step in range(200):
            log.write(event("sample", text="x" * 300, prompt=str(number), step=step))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    events = raw_events(run.events_path)
    assert len(events) == 800
    for number in range(4):
        assert [told["step"] for told in events if told["prompt"] == str(number)] == list(range(200))


def test_progress_is_at_most_ten_a_second_and_the_last_gets_through(run: RunDirectory) -> None:
    log = EventLog(run.events_path)
    for done in range(1001):
        log.progress("preparing_data", done, 1000, "rows")
    events = raw_events(run.events_path)
    assert len(events) < 20
    assert events[-1]["done"] == 1000


def test_numbers_that_json_has_no_name_for_become_null(run: RunDirectory) -> None:
    log = EventLog(run.events_path)
    log.write(MetricsEvent(1, None, {"loss": float("nan"), "grad_norm": float("inf")}))
    log.write(event("sample", text="\ud800"))
    line, other = run.events_path.read_bytes().splitlines()
    assert json.loads(other)["text"] == "\ud800"
    assert json.loads(line, parse_constant=pytest.fail)["loss"] is None


def test_a_failing_disk_does_not_stop_the_log(run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    log = EventLog(run.events_path)
    real = os.write

    def full(descriptor, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    log.write(event("metrics", step=1))
    monkeypatch.setattr(os, "write", real)
    log.write(event("metrics", step=2))
    assert log.lost == 1
    assert [told["step"] for told in raw_events(run.events_path)] == [2]


# Requests


def test_requests_are_taken_once_in_the_order_they_were_made(run: RunDirectory) -> None:
    run.request("pause")
    run.request("sample", prompt="The old")
    run.request("stop")
    assert control.waiting(run.control_dir, "stop")
    taken = control.take(run.control_dir)
    assert [request.action for request in taken] == ["pause", "sample", "stop"]
    assert taken[1].fields == {"prompt": "The old"}
    assert control.take(run.control_dir) == []
    assert not control.waiting(run.control_dir, "stop")


def test_files_that_are_no_requests_are_passed_over(run: RunDirectory) -> None:
    (run.control_dir / "1.json").write_text("{")
    (run.control_dir / "2.json").write_text('{"action": "rm -rf"}')
    (run.control_dir / "3.json").write_text("[]")
    (run.control_dir / ".4.json.tmp").write_text("half")
    run.request("save")
    assert [request.action for request in control.take(run.control_dir)] == ["save"]


# The lock

_HOLD = """
import sys, time
from pathlib import Path
from tui_finetune.runs.events import MetricsEvent, from_fields
from tui_finetune.runs.lock import RunLock
lock = RunLock(Path(sys.argv[1])); lock.acquire(); print("held", flush=True); time.sleep(60)
"""


def test_a_second_trainer_is_refused_and_kill_9_frees_the_lock(run: RunDirectory) -> None:
    other = subprocess.Popen([sys.executable, "-c", _HOLD, str(run.lock_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        assert is_held(run.lock_path)
        assert run.is_live
        with pytest.raises(UserError, match=f"process {other.pid}"):
            RunLock(run.lock_path).acquire()
    finally:
        other.kill()
        other.wait()
    assert not run.is_live
    with RunLock(run.lock_path):
        owner = holder(run.lock_path)
        assert owner is not None
        assert owner["pid"] == os.getpid()
        assert run.is_live
    assert not run.is_live


# The directory


def test_a_run_is_private_and_never_overwritten(run: RunDirectory) -> None:
    assert stat.S_IMODE(run.path.stat().st_mode) == 0o700
    run.write_config(RunConfig())
    assert stat.S_IMODE(run.config_path.stat().st_mode) == 0o600
    with pytest.raises(UserError, match="holds a run already") as caught:
        RunDirectory(run.path).create()
    assert "resume one" in caught.value.remedy
    assert run.read_config() == RunConfig()


@pytest.mark.parametrize("name", ["a b", "x" * 65, "a\x1b[0m", "é"])
def test_a_run_has_a_plain_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="can't be the name of a run"):
        RunDirectory(tmp_path / name).create()


def test_new_runs_are_numbered_and_named_plainly(tmp_path: Path) -> None:
    config = RunConfig(model_name_or_path="org/My Model", dataset_name="/data/../notes (1).jsonl.gz")
    first = new_run_path(config, tmp_path)
    assert first == tmp_path / "runs" / "My-Model-notes-1-1"
    first.mkdir(parents=True)
    assert new_run_path(config, tmp_path).name == "My-Model-notes-1-2"
    assert new_run_path(RunConfig(output_dir=str(tmp_path / "x"))) == tmp_path / "x"


# The state


def _state(*events) -> RunState:
    state = RunState()
    made = [from_fields({"time": float(number), **given}) for number, given in enumerate(events)]
    state.apply_all(event for event in made if event is not None)
    return state


def test_metrics_make_the_curves_and_the_best() -> None:
    state = _state(
        {"type": "status", "status": "running"},
        {"type": "progress", "phase": "training", "done": 4, "total": 10, "unit": "steps"},
        {"type": "metrics", "step": 2, "epoch": 0.2, "loss": 3.0, "learning_rate": 1e-3},
        {"type": "metrics", "step": 4, "epoch": 0.4, "loss": 2.0},
        {"type": "metrics", "step": 4, "epoch": 0.4, "eval_loss": 2.2},
        {"type": "metrics", "step": 5, "epoch": 0.5, "eval_loss": 2.4},
    )
    assert list(state.losses) == [(2, 3.0), (4, 2.0)]
    assert list(state.eval_losses) == [(4, 2.2), (5, 2.4)]
    assert (state.best_eval_loss, state.best_step) == (2.2, 4)
    assert (state.step, state.total_steps, state.curves.newest("learning_rate")) == (5, 10, 1e-3)


def test_a_resume_takes_back_what_is_computed_again() -> None:
    state = _state(
        {"type": "metrics", "step": 2, "loss": 3.0},
        {"type": "metrics", "step": 2, "eval_loss": 2.8},
        {"type": "metrics", "step": 4, "loss": 2.0},
        {"type": "metrics", "step": 4, "eval_loss": 2.1},
        {"type": "status", "status": "starting", "resumed_from": 3},
        {"type": "metrics", "step": 4, "loss": 2.0},
    )
    assert list(state.losses) == [(2, 3.0), (4, 2.0)]
    assert (state.best_eval_loss, state.best_step) == (2.8, 2)
    assert state.starts == 1


def test_events_of_later_versions_and_odd_fields_do_no_harm() -> None:
    state = _state(
        {"type": "weather", "sunny": True},
        {"type": "metrics", "loss": 1.0},
        {"type": "progress"},
        {"type": "metrics", "step": None, "loss": None},
        {"type": "status"},
    )
    assert len(state.losses) == 0


# The registry


def test_a_run_is_found_from_anywhere_by_name_or_path(
    run: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run.write_config(RunConfig())
    registry.note(run)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert registry.find_run("one").path == run.path
    assert registry.find_run(str(run.path)).path == run.path
    assert registry.find_run(None).path == run.path
    with pytest.raises(UserError, match="no run 'two'"):
        registry.find_run("two")


def test_a_run_whose_process_died_is_interrupted(run: RunDirectory) -> None:
    run.write_config(RunConfig(dataset_name="tales"))
    log = EventLog(run.events_path)
    log.write(event("status", status="running"))
    log.write(event("metrics", step=3, loss=2.0))
    log.write(event("metrics", step=3, eval_loss=1.9))
    summary = summarize(run)
    assert (summary.status, summary.step, summary.best_eval_loss, summary.dataset) == ("interrupted", 3, 1.9, "tales")
    watch = Watch(run)
    watch.poll()
    assert watch.status == "interrupted"
    with RunLock(run.lock_path):
        assert summarize(run).status == "running"
    log.write(event("status", status="finished"))
    assert summarize(run).status == "finished"


def test_nothing_in_a_run_directory_can_break_the_list(run: RunDirectory) -> None:
    run.config_path.write_bytes(b"\xff\xfe: [")
    run.events_path.write_bytes(b'\x00\xff\n{"type":5}\n[]\n{"type":"metrics","step":"x","loss":{}}\n')
    assert summarize(run).model == "?"


def test_without_a_state_directory_runs_are_found_by_path(
    run: RunDirectory, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run.write_config(RunConfig())
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FINETUNE_TUI_STATE", str(tmp_path / "file" / "below"))
    registry.note(run)
    assert registry.find_run(str(run.path)).path == run.path


# The digest of a long log


def _long_log(run: RunDirectory, steps: int) -> EventLog:
    log = EventLog(run.events_path)
    log.write(event("status", status="starting", model="m", dataset="d"))
    for step in range(1, steps + 1):
        log.write(event("metrics", step=step, epoch=0.1, loss=2.0, learning_rate=1e-4))
        if step % 500 == 0:
            log.write(event("metrics", step=step, epoch=0.1, eval_loss=3 - step / 10_000))
            log.write(event("progress", phase="training", done=step, total=steps, unit="steps"))
    return log


@pytest.mark.parametrize("kept", [True, False])
def test_c9_a_list_reads_the_digest_of_a_long_log_and_says_the_same(run: RunDirectory, kept: bool) -> None:
    _long_log(run, 3000)
    digest = run.path / "digest.jsonl"
    if not kept:
        digest.unlink()
    summary = summarize(run)
    assert (summary.step, summary.total_steps, summary.loss, summary.model) == (3000, 3000, 2.0, "m")
    assert summary.best_eval_loss == pytest.approx(2.7)
    assert digest.stat().st_size < run.events_path.stat().st_size / 20
    whole = load_state(run)
    brief = load_state(run, brief=True)
    assert list(brief.eval_losses) == list(whole.eval_losses)
    assert (brief.starts, brief.step, brief.best_step) == (whole.starts, whole.step, whole.best_step)


def test_a_run_that_goes_on_after_its_digest_was_lost_has_one_again(run: RunDirectory) -> None:
    _long_log(run, 2000).close()
    (run.path / "digest.jsonl").unlink()
    log = EventLog(run.events_path)
    log.write(event("metrics", step=2000, epoch=0.1, eval_loss=1.5))
    for step in range(2001, 4000):
        log.write(event("metrics", step=step, epoch=0.1, loss=2.0))
    assert list(load_state(run, brief=True).eval_losses) == list(load_state(run).eval_losses)
