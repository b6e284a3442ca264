"""The queue's file: kept whole, kept across versions, changed by several processes at once."""

from __future__ import annotations

import json
import multiprocessing
import os
from dataclasses import replace
from pathlib import Path

import pytest

from tui_finetune.config.resolve import resolve
from tui_finetune.errors import UserError
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.lock import RunLock
from tui_finetune.runs.queue import KEPT_ENDED, MAX_RUNS, Queue, QueuedRun, RunnerLock, queued


@pytest.fixture
def queue(tmp_path: Path) -> Queue:
    return Queue(tmp_path / "state" / "queue.json")


def some(folder: Path, count: int) -> list[QueuedRun]:
    return [queued(resolve({"seed": str(seed)}), folder, {"seed": str(seed)}) for seed in range(1, count + 1)]


def seeds(queue: Queue) -> list[str]:
    return [run.varied["seed"] for run in queue.runs()]


def test_what_is_queued_is_there_in_its_order_with_all_its_settings(queue: Queue, tmp_path: Path) -> None:
    assert queue.runs() == []
    added = some(tmp_path, 3)
    queue.add(added[:2])
    queue.add(added[2:])
    assert queue.runs() == added
    again = queue.runs()[1].resolved()
    assert again == resolve({"seed": "2"})
    assert os.stat(queue.path).st_mode & 0o777 == 0o600


def test_runs_that_wait_are_moved_among_those_that_wait(queue: Queue, tmp_path: Path) -> None:
    added = some(tmp_path, 5)
    queue.add(added)
    queue.change(added[0].id, state="ended", status="finished")
    queue.move(added[4].id, -2)
    assert seeds(queue) == ["1", "2", "5", "3", "4"]
    queue.move(added[4].id, -9)
    assert seeds(queue) == ["1", "5", "2", "3", "4"]
    queue.move(added[4].id, 9)
    assert seeds(queue) == ["1", "2", "3", "4", "5"]
    queue.move(added[0].id, 1)
    queue.move("no such run", 1)
    assert seeds(queue) == ["1", "2", "3", "4", "5"]


def test_a_run_is_taken_out_unless_it_is_being_trained(queue: Queue, tmp_path: Path) -> None:
    added = some(tmp_path, 3)
    queue.add(added)
    run = RunDirectory(tmp_path / "runs" / "one")
    run.create(added[0].id)
    assert run.id == added[0].id
    queue.change(added[0].id, state="started", run=str(run.path))
    with RunLock(run.lock_path), pytest.raises(UserError, match="one is being trained"):
        queue.remove([added[0].id, added[1].id])
    assert seeds(queue) == ["1", "2", "3"]
    queue.remove([added[0].id, added[1].id])
    assert seeds(queue) == ["3"]
    assert run.exists
    assert queue.change(added[0].id, status="finished") is None


def test_runs_that_have_ended_leave_the_list_when_asked_and_when_there_are_many(queue: Queue, tmp_path: Path) -> None:
    added = some(tmp_path, KEPT_ENDED + 3)
    ended = [replace(run, state="ended", status="finished") for run in added[:-1]]
    queue.add([*ended, added[-1]])
    assert seeds(queue)[0] == "3"
    assert len(queue.runs()) == KEPT_ENDED + 1
    assert queue.clear_ended() == KEPT_ENDED
    assert seeds(queue) == [str(KEPT_ENDED + 3)]


def test_too_many_runs_are_refused_whole(queue: Queue, tmp_path: Path) -> None:
    queue.add(some(tmp_path, 1))
    one = some(tmp_path, 1)
    with pytest.raises(UserError, match="would wait"):
        queue.add(one * MAX_RUNS)
    assert len(queue.runs()) == 1


def test_what_a_newer_version_keeps_is_kept_and_its_settings_are_passed_over(queue: Queue, tmp_path: Path) -> None:
    added = some(tmp_path, 2)
    queue.add(added)
    content = json.loads(queue.path.read_text())
    content["owner"] = "me"
    content["runs"][0]["priority"] = 7
    content["runs"][0]["config"]["of_tomorrow"] = 1
    queue.path.write_text(json.dumps(content))
    queue.change(added[1].id, status="x")
    again = json.loads(queue.path.read_text())
    assert again["owner"] == "me"
    assert again["runs"][0]["priority"] == 7
    assert again["runs"][0]["config"]["of_tomorrow"] == 1
    assert queue.runs()[0].resolved().config.seed == 1
    again["format"] = 2
    queue.path.write_text(json.dumps(again))
    with pytest.raises(UserError, match="newer version"):
        queue.add(some(tmp_path, 1))


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b'{"format": 1}', b'{"format":1,"runs":[3]}', b"[" * 100_000,
                b'{"format":1,"runs":[{"id":"a","config":{},"state":"flying"}]}', b'{"format":1,"runs":{"a":1}}']
)  # fmt: skip
def test_a_damaged_file_is_said_and_never_replaced(queue: Queue, tmp_path: Path, content: bytes) -> None:
    queue.path.parent.mkdir()
    queue.path.write_bytes(content)
    with pytest.raises(UserError, match=r"queue\.json is damaged"):
        queue.add(some(tmp_path, 1))
    assert queue.path.read_bytes() == content


def test_of_two_runners_one_is_refused(queue: Queue) -> None:
    with RunnerLock(queue):
        assert queue.is_running
        with pytest.raises(UserError, match=rf"being run already \(process {os.getpid()} on"), RunnerLock(queue):
            pass
        assert queue.is_running
    assert not queue.is_running


def _add_some(path: Path, folder: Path) -> None:
    for one in some(folder, 20):
        Queue(path).add([one])


def test_several_processes_that_add_at_once_lose_nothing(queue: Queue, tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_add_some, args=(queue.path, tmp_path)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert sorted(map(int, seeds(queue))) == sorted([*range(1, 21)] * 4)
    assert [path.name for path in queue.path.parent.iterdir() if path.name.endswith(".tmp")] == []
