"""What happens to a run's directory and clock: not writable (fault 12), trained twice (19), the clock set (20), moved (21)."""

from __future__ import annotations

import fcntl
import os
import random
import shutil
import signal
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.programs import Programs, Running, wait_for
from tests.training.compare import assert_same
from tests.training.conftest import Trained
from tui_finetune.runs.checkpoints import committed, newest_sound, step_of
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.lock import RunLock
from tui_finetune.runs.registry import known_runs
from tui_finetune.runs.summary import load_state

Train = Callable[..., Trained]

AS_ORDINARY_USER = """
import ctypes, os
if os.geteuid() == 0:
    # Root may write everywhere by its capabilities: without them it is held to the permissions, as everybody else.
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    assert ctypes.CDLL(None).capset(header, (ctypes.c_uint32 * 6)()) == 0
"""


@pytest.fixture
def start(programs: Programs, place: Path, models: Path) -> Callable[..., Running]:
    def begin(*arguments: str, before: str = "") -> Running:
        return programs.start(
            "train",
            "--model",
            str(models / "llama"),
            "--dataset",
            "data.jsonl",
            "--max_length",
            "64",
            "--output_dir",
            "run",
            "--batch_size",
            "2",
            "--eval_strategy",
            "no",
            "--logging_steps",
            "1",
            *arguments,
            folder=place,
            before=before,
        )

    return begin


def test_fault_12_a_place_that_cannot_be_written_to_is_refused(
    start: Callable[..., Running], programs: Programs, place: Path
) -> None:
    (place / "closed").mkdir(0o500)
    done = start("--output_dir", "closed/run", before=AS_ORDINARY_USER).wait()
    assert (done.status, done.words) == (2, ["error", "hint"]), done
    assert str(place / "closed" / "run") in done.err

    assert start("--max_steps", "2").wait().status == 0
    (place / "run").chmod(0o500)
    done = programs.run("resume", "run", "--max_steps", "4", folder=place, before=AS_ORDINARY_USER)
    (place / "run").chmod(0o700)
    assert (done.status, done.words) == (2, ["error", "hint"]), done
    assert str(place / "run") in done.err
    assert load_state(RunDirectory(place / "run")).status == "finished"


def test_fault_12_made_read_only_in_mid_run_it_goes_on_and_warns(start: Callable[..., Running], place: Path) -> None:
    run = RunDirectory(place / "run")
    # At step 3 the checkpoints' directory is closed, at step 7 it is opened again.
    close = AS_ORDINARY_USER + (
        "from pathlib import Path\nfrom tui_finetune.training.trainer import RunTrainer as T\nstep = T.training_step\n"
        "def closing(self, *a, **k):\n"
        "    Path('run/checkpoints').chmod(0o500 if 3 <= self.state.global_step < 7 else 0o700)\n"
        "    return step(self, *a, **k)\n"
        "T.training_step = closing\n"
    )
    done = start("--max_steps", "8", "--save_strategy", "steps", "--save_steps", "2", before=close).wait()
    assert done.status == 0, done.err
    state = load_state(run)
    assert [saved.step for saved in state.checkpoints] == [2, 8]
    told = [told.notice.message for told in state.notices if "could not be saved" in told.notice.message]
    assert [words.split(" could")[0] for words in told] == ["Step 4", "Step 6"]
    assert newest_sound(run.checkpoints_dir) == (run.checkpoints_dir / "checkpoint-8", [])


def test_fault_19_two_trainers_of_one_run(start: Callable[..., Running], programs: Programs, place: Path) -> None:
    run = RunDirectory(place / "run")
    running = start("--max_steps", "100000", "--save_strategy", "steps", "--save_steps", "2")
    wait_for(lambda: committed(run.checkpoints_dir), "nothing is saved")
    second = programs.run("resume", "run", folder=place)
    assert (second.status, second.words) == (2, ["error", "hint"])
    assert f"process {running.pid}" in second.err
    third = start("--max_steps", "2").wait()
    assert (third.status, third.words) == (2, ["error", "hint"])
    assert run.is_live

    running.send(signal.SIGKILL)
    assert running.wait().status == 137
    # Nothing has to be removed by hand.
    assert not run.is_live
    with RunLock(run.lock_path):
        assert run.is_live
    assert load_state(run).starts == 1


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize("hours", [-24, -1, 1, 24])
def test_fault_20_the_clock_is_set(train: Train, hours: int, monkeypatch: pytest.MonkeyPatch) -> None:
    settings: dict[str, Any] = {
        "max_steps": 10,
        "save_strategy": "steps",
        "save_steps": 2,
        "eval_strategy": "no",
        "save_total_limit": 2,
    }
    whole = train("whole", **settings)
    ahead = [0.0]
    clock, clock_ns = time.time, time.time_ns
    monkeypatch.setattr(time, "time", lambda: clock() + ahead[0])
    monkeypatch.setattr(time, "time_ns", lambda: clock_ns() + int(ahead[0] * 1e9))

    def set_clock(run: RunDirectory) -> None:
        ahead[0] += hours * 3600
        for path in committed(run.checkpoints_dir):
            moment = clock() + random.Random(str(path)).uniform(-1e6, 1e6)
            os.utime(path, (moment, moment))

    def set_and_stop(run: RunDirectory) -> None:
        set_clock(run)
        run.request("stop")

    stopped = train("run", at={3: set_clock, 7: set_and_stop}, **settings)
    assert stopped.outcome.status == "stopped"
    assert [step_of(path) for path in committed(stopped.run.checkpoints_dir)] == [6, 7]
    # What is asked for between the making of a session and its start is heard, whatever the clock says.
    set_clock(stopped.run)
    resumed = train("run", resume=True, at={9: set_clock})
    assert resumed.outcome.status == "finished"
    assert_same(resumed, whole)
    assert list(resumed.state.losses.steps) == list(range(1, 11))
    assert 0 <= resumed.outcome.seconds < 3600
    assert resumed.state.pace.active_seconds < 3600
    assert (resumed.state.pace.seconds_per_step or 0) < 60


def test_fault_21_a_run_that_was_moved_goes_on_and_is_found(train: Train, place: Path) -> None:
    settings: dict[str, Any] = {
        "max_steps": 6,
        "eval_strategy": "steps",
        "eval_steps": 2,
        "save_strategy": "steps",
        "save_steps": 2,
    }
    whole = train("whole", **settings)
    train("run", at={5: lambda run: run.request("stop")}, **settings)
    (place / "elsewhere").mkdir()
    shutil.move(place / "run", place / "elsewhere" / "moved")
    resumed = train("elsewhere/moved", resume=True)
    assert resumed.outcome.status == "finished"
    assert_same(resumed, whole)
    assert resumed.outcome.final_step == whole.outcome.final_step
    assert place / "elsewhere" / "moved" in [run.path for run in known_runs(place)]
    assert place / "run" not in [run.path for run in known_runs(place)]
    assert stat.S_IMODE((place / "elsewhere" / "moved").stat().st_mode) == 0o700


# Its lock is deleted


def test_d9_a_lock_that_is_deleted_is_made_again_and_keeps_a_second_trainer_out(
    start: Callable[..., Running], programs: Programs, place: Path
) -> None:
    run = RunDirectory(place / "run")
    running = start("--max_steps", "100000", "--save_strategy", "steps", "--save_steps", "2")
    wait_for(lambda: committed(run.checkpoints_dir), "nothing is saved")
    running.send(signal.SIGSTOP)
    run.lock_path.unlink(missing_ok=True)
    assert run.is_live
    second = programs.run("resume", "run", folder=place)
    assert (second.status, second.words) == (2, ["error", "hint"])
    assert not run.lock_path.exists()
    running.send(signal.SIGCONT)
    wait_for(run.lock_path.exists, "the lock is not made again")
    wait_for(
        lambda: [n for n in load_state(run).notices if "run.lock was deleted" in n.notice.message], "it isn't told"
    )
    running.send(signal.SIGTERM)
    assert running.wait().status == 143
    assert load_state(run).status == "stopped"
    assert not run.is_live


def test_d9_a_run_that_another_process_has_taken_over_is_left_to_it(train: Train, place: Path) -> None:
    taken: list[int] = []

    def take_over(run: RunDirectory) -> None:
        # As by a version of the program, or a file system, that does not lock directories.
        run.lock_path.unlink()
        descriptor = os.open(run.lock_path, os.O_RDWR | os.O_CREAT)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        taken.append(descriptor)

    trained = train(at={3: take_over}, max_steps=8, save_strategy="steps", save_steps=2, eval_strategy="no")
    assert trained.outcome.status == "failed"
    assert "another process trains the run now" in trained.outcome.reason
    assert [saved.step for saved in trained.state.checkpoints] == [2]
    assert trained.state.status == "running", "the log is the other process's"
    os.close(taken[0])
