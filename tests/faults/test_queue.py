"""The queue, killed with -9 wherever it hits it and started again: every run ends once, bitwise as alone."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import time
from pathlib import Path

import pytest

from tests.programs import Programs, Running, wait_for
from tui_finetune.runs.checkpoints import committed, newest_sound
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.queue import Queue, QueuedRun
from tui_finetune.runs.registry import known_runs
from tui_finetune.runs.summary import load_state

FORKED = """
# Each run's process is forked from this one, whose imports are done, in place of a Python of its own.
import io, os, signal, sys
import tui_finetune.training.launch as launch
from tui_finetune.training import worker

class Forked:
    def __init__(self, command, *, stdin, stdout, stderr, start_new_session, pass_fds, env):
        reading, writing = os.pipe()
        self.returncode = None
        self.pid = os.fork()
        if self.pid == 0:
            os.setsid()
            for number, descriptor in enumerate((reading, stdout, stderr)):
                os.dup2(descriptor, number)
            for descriptor in map(int, os.listdir("/proc/self/fd")):
                if descriptor > 2 and descriptor not in pass_fds:
                    try:
                        os.close(descriptor)
                    except OSError:
                        pass
            sys.stdin = open(0, encoding="utf-8", closefd=False)
            status = 1
            try:
                status = worker.main(command[3:])
            except BaseException:
                sys.excepthook(*sys.exc_info())
            os._exit(status)
        os.close(reading)
        self.stdin = open(writing, "wb", buffering=0)

    def poll(self):
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.returncode = os.waitstatus_to_exitcode(status) if pid else None
        return self.returncode

class Subprocess:
    Popen, PIPE, TimeoutExpired = Forked, -1, TimeoutError

launch.subprocess = Subprocess
import tui_finetune.training.queue as queue
queue.LOOK_SECONDS = 0.01
"""

SLOW = """
import time
import tui_finetune.runs.checkpoints as m
from tui_finetune.training.trainer import RunTrainer
def slow(call):
    def slowed(*a, **k):
        time.sleep(0.02)
        return call(*a, **k)
    return slowed
m.commit = slow(m.commit)
RunTrainer.training_step = slow(RunTrainer.training_step)
"""


class Place:
    """A queue of tiny runs in a folder, and what is done to it."""

    def __init__(self, programs: Programs, folder: Path, model: Path) -> None:
        self.programs = programs
        self.folder = folder
        self.state = folder / "state"
        self.settings = {
            "model": str(model), "dataset": "data.jsonl", "max_length": "64", "batch_size": "2", "max_steps": "6",
            "gradient_accumulation_steps": "2", "logging_steps": "1", "save_strategy": "steps", "save_steps": "2",
            "eval_strategy": "no", "eval_on_start": "false", "sample_prompts": "off",
        }  # fmt: skip

    @property
    def queue(self) -> Queue:
        return Queue(self.state / "queue.json")

    def start(self, *arguments: str, before: str = "") -> Running:
        environment = {"FINETUNE_TUI_STATE": str(self.state)}
        return self.programs.start(*arguments, folder=self.folder, environment=environment, before=before)

    def sweep(self, **values: str) -> None:
        given = {**self.settings, **values}
        done = self.start("sweep", *(word for key, value in given.items() for word in (f"--{key}", value))).wait()
        assert done.status == 0, done
        assert "in the queue" in done.out

    def alone(self, queued: QueuedRun) -> RunDirectory:
        """The same run, trained by itself."""
        name = "alone-" + "-".join(queued.varied.values())
        given = {**self.settings, **queued.varied, "output_dir": name}
        done = self.start("train", *(word for key, value in given.items() for word in (f"--{key}", value))).wait()
        assert done.status == 0, done
        return RunDirectory(self.folder / name)

    def processes(self) -> list[int]:
        """Those that train a run now, as the locks of the runs tell."""
        found = []
        for run in self.folder.glob("runs/*"):
            with contextlib.suppress(OSError, ValueError, KeyError):
                found.append(int(json.loads((run / "run.lock").read_text())["pid"]))
        return found


@pytest.fixture
def there(programs: Programs, place: Path, models: Path) -> Place:
    return Place(programs, place, models / "llama")


def endings(run: RunDirectory) -> list[str]:
    events = [json.loads(line) for line in run.events_path.read_text().splitlines() if '"type":"status"' in line]
    return [event["status"] for event in events if event["status"] in {"finished", "stopped", "failed"}]


def assert_as_alone(there: Place, queued: QueuedRun) -> None:
    assert (queued.state, queued.status) == ("ended", "finished"), queued
    run, alone = RunDirectory(Path(queued.run)), there.alone(queued)
    assert run.id == queued.id
    assert endings(run) == ["finished"]
    assert newest_sound(run.checkpoints_dir)[1] == []
    assert list(load_state(run).losses) == list(load_state(alone).losses)
    weights = "final/model.safetensors"
    assert (run.path / weights).read_bytes() == (alone.path / weights).read_bytes()
    files = ("optimizer.pt", "scheduler.pt", "rng_state.pth")
    one, other = committed(run.checkpoints_dir)[-1], committed(alone.checkpoints_dir)[-1]
    assert all((one / name).read_bytes() == (other / name).read_bytes() for name in files)


def kill_at_random(there: Place, rng: random.Random, kills: int) -> int:
    """Start the queue, and kill it, what it has started, or both; so many times, or until nothing waits."""
    done = 0
    while done < kills and any(run.state != "ended" for run in there.queue.runs()):
        running = there.start("queue", before=FORKED + SLOW)
        ends = time.monotonic() + rng.choice([0.05, 0.3, 0.8, 1.5, 2.5]) * rng.uniform(0.5, 1.5)
        while time.monotonic() < ends:
            time.sleep(0.01)
        whom = rng.choice(["runner", "run", "both"])
        if whom != "runner":
            for pid in there.processes():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        if whom != "run":
            running.send(signal.SIGKILL)
        else:  # the runner notices, and goes on
            time.sleep(0.2)
            running.send(signal.SIGKILL)
        running.wait()
        done += 1
    return done


def killed_and_finished(there: Place, chance: int, kills: int, **values: str) -> None:
    there.sweep(**values)
    kill_at_random(there, random.Random(chance), kills)
    done = there.start("queue", before=FORKED).wait()
    assert done.status == 0, done
    runs = there.queue.runs()
    assert all(run.state == "ended" for run in runs)
    assert len({run.run for run in runs}) == len(runs)
    assert len(list(there.folder.glob("runs/*"))) == len(runs), "no directory is left over"
    for queued in runs:
        assert_as_alone(there, queued)


def test_a_queue_that_is_killed_and_started_again_ends_each_run_once(there: Place) -> None:
    killed_and_finished(there, 3, 3, seed="1,2,3")


@pytest.mark.long
@pytest.mark.parametrize("chance", range(4))
def test_six_runs_killed_twenty_times_end_once_as_alone(there: Place, chance: int) -> None:
    killed_and_finished(there, chance, 20, learning_rate="1e-3,3e-3,1e-2", seed="1,2")


def test_a_queue_that_is_stopped_saves_and_goes_on(there: Place) -> None:
    there.sweep(seed="1,2", max_steps="30")
    running = there.start("queue", before=FORKED + SLOW)
    wait_for(lambda: there.queue.runs()[0].state == "started", "nothing was begun")
    run = RunDirectory(Path(there.queue.runs()[0].run))
    wait_for(lambda: load_state(run).step >= 2, "no step")
    running.send(signal.SIGTERM)
    done = running.wait()
    assert done.status == 128 + signal.SIGTERM, done
    assert "goes on when it is run again" in done.out
    first, second = there.queue.runs()
    assert (first.state, second.state) == ("started", "waiting")
    assert endings(RunDirectory(Path(first.run))) == ["stopped"]
    # One that a person stops is over; the queue goes on with the next.
    running = there.start("queue", before=FORKED + SLOW)
    wait_for(lambda: load_state(run).starts == 2 and run.is_live and load_state(run).status == "running", "not resumed")
    assert there.start("stop", str(run.path)).wait().status == 0
    wait_for(lambda: there.queue.runs()[1].state == "started", "the next was not begun")
    second_run = RunDirectory(Path(there.queue.runs()[1].run))
    wait_for(lambda: load_state(second_run).status == "running", "the next was not begun")
    second_run.request("stop")
    done = running.wait()
    assert done.status == 0, done
    assert [run.status for run in there.queue.runs()] == ["stopped", "stopped"]
    lines = [line.split() for line in done.out.splitlines()]
    assert [line[-1] for line in lines if line[:2] == ["run", "status"]] == ["seed"]


def test_the_queue_is_filled_listed_and_changed(there: Place) -> None:
    there.sweep(seed="1,2", learning_rate="1e-3,3e-3")
    given = [word for key, value in there.settings.items() for word in (f"--{key}", value)]
    assert "queued; 5 wait" in there.start("train", "--queue", *given, "--output_dir", "mine").wait().out
    assert known_runs(there.folder) == [], "nothing is made before its turn comes"
    assert there.start("queue", "move", "5", "1").wait().status == 0
    assert there.start("queue", "remove", "3", "2").wait().status == 0
    listed = there.start("queue", "list").wait().out.splitlines()
    assert [line.split()[-2:] for line in listed[2:4]] == [["seed", "1"], ["seed", "2"]]
    runs = json.loads(there.start("queue", "list", "--json").wait().out)["runs"]
    assert runs[0]["config"]["output_dir"] == str(there.folder / "mine")
    assert [run["varied"].get("learning_rate") for run in runs] == [None, "3e-3", "3e-3"]
    for wrong in (
        ["remove", "9"],
        ["move", "1"],
        ["remove"],
        ["--lr", "1"],
        ["add", "nothing.yaml"],
        ["--at_once", "0"],
    ):
        done = there.start("queue", *wrong).wait()
        assert (done.status, done.words) == (2, ["error", "hint"]), (wrong, done)
    done = there.start("sweep", "--seed", "1").wait()
    assert (done.status, done.words) == (2, ["error", "hint"])


def test_runs_that_cannot_be_trained_are_said_and_the_queue_goes_on(there: Place) -> None:
    there.sweep(seed="1,2,3")
    first, second, third = there.queue.runs()
    there.queue.change(first.id, config={**first.config, "dataset_name": str(there.folder / "gone.jsonl")})
    there.queue.change(second.id, config={**second.config, "seed": "many"})
    done = there.start("queue", before=FORKED).wait()
    assert done.status == 1, done
    assert [run.status for run in there.queue.runs()] == ["failed", "failed", "finished"]
    assert "gone.jsonl" in there.queue.runs()[0].reason
    assert "seed" in there.queue.runs()[1].reason
    assert there.start("queue").wait().out.startswith("nothing waits")
    assert third.id == there.queue.runs()[2].id
