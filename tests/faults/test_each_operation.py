"""A save interrupted at each of its operations on files: by kill -9 (faults 8 and 9) and by a failing disk (11)."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.faults.operations import Operations, fail, kill
from tests.training.compare import assert_same
from tests.training.conftest import Trained
from tui_finetune.export import folder as final
from tui_finetune.runs import checkpoints
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.training.trainer import RunTrainer

pytestmark = pytest.mark.usefixtures("bare")

# With dropout and shuffling; the third save, at step 6, deletes the checkpoint of step 2.
SETTINGS: dict[str, Any] = {
    "max_steps": 8, "save_strategy": "steps", "save_steps": 2, "eval_strategy": "no", "logging_steps": 2,
}  # fmt: skip
AT = 6


def was_killed(work: Callable[[], None]) -> bool:
    """Do something in a fork of this process; gives whether it was killed on the way."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            signal.alarm(60)
            work()
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    assert status in (0, signal.SIGKILL), f"it ended by itself, with {status}"
    return status == signal.SIGKILL


def instead_of_saving(monkeypatch: pytest.MonkeyPatch, do: Callable[[Callable[[], None]], None]) -> None:
    """At step AT call `do` with the save, before the save itself."""
    usual = RunTrainer._save_checkpoint

    def save(self: RunTrainer, *arguments: Any) -> None:
        if self.state.global_step == AT:
            do(lambda: usual(self, *arguments))
        usual(self, *arguments)

    monkeypatch.setattr(RunTrainer, "_save_checkpoint", save)


def put_back(folder: Path, copy: Path) -> None:
    shutil.rmtree(folder)
    shutil.copytree(copy, folder)


@dataclass
class Killed:
    """What a kill left of a run.

    Attributes:
        before: the operation that it came before.
        run: the run as it was left.
    """

    before: str
    run: RunDirectory


Kills = Callable[[Callable[[list[str]], range]], tuple[Trained, list[Killed]]]


@pytest.fixture
def kills(train: Callable[..., Trained], place: Path, operations: Operations, monkeypatch: pytest.MonkeyPatch) -> Kills:
    """Train once undisturbed; on the way kill forks of it in their third save, before those operations that `which`
    chooses by number among the names of all."""

    def begin(which: Callable[[list[str]], range]) -> tuple[Trained, list[Killed]]:
        left: list[Killed] = []
        run = RunDirectory(place / "whole")

        def kill_everywhere(save: Callable[[], None]) -> None:
            shutil.copytree(run.checkpoints_dir, place / "before")
            with operations.watching():
                save()
            names = operations.names.copy()
            for number in which(names):
                put_back(run.checkpoints_dir, place / "before")

                def work(number: int = number) -> None:
                    with operations.watching(number + 1, kill):
                        save()

                assert was_killed(work), names[number]
                left.append(Killed(names[number], RunDirectory(place / f"killed-{number}")))
                shutil.copytree(run.path, left[-1].run.path)
            put_back(run.checkpoints_dir, place / "before")

        with monkeypatch.context() as patches:
            instead_of_saving(patches, kill_everywhere)
            whole = train("whole", **SETTINGS)
        assert whole.outcome.status == "finished"
        return whole, left

    return begin


def first_of_pruning(names: list[str]) -> int:
    """The number, from 0, of the first operation after the manifest is in its place and safe."""
    return next(number for number, name in enumerate(names) if name == f"os.remove {checkpoints.MANIFEST}")


def newest_step(killed: Killed) -> int:
    """The step of the newest checkpoint, which is sound."""
    newest, unsound = checkpoints.newest_sound(killed.run.checkpoints_dir)
    assert newest is not None, killed
    assert unsound == [], killed
    return checkpoints.step_of(newest)


def content(folder: Path) -> dict[str, bytes]:
    """What is in a directory. The names of files that are being written end at random."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)).split(".json.")[0]: path.read_bytes() for path in paths}


def assert_each_goes_on(train: Callable[..., Trained], left: list[Killed], whole: Trained, *, each: bool) -> None:
    """Gone on with, each ends as the undisturbed run; unless `each`, those are left out that look like the one before."""
    looks: dict[str, bytes] = {}
    for killed in left:
        before, looks = looks, content(killed.run.checkpoints_dir)
        if looks == before and not each:
            continue
        resumed = train(killed.run.name, resume=True)
        assert resumed.outcome.status == "finished", (killed, resumed.outcome.error)
        assert_same(resumed, whole)
        # Nothing that the kill left half done is left.
        present = [path.name for path in sorted(killed.run.checkpoints_dir.iterdir())]
        assert present == ["checkpoint-6", "checkpoint-8"], killed
        shutil.rmtree(killed.run.path)


EACH = pytest.mark.parametrize("each", [False, pytest.param(True, marks=pytest.mark.long)], ids=["", "each"])


@EACH
def test_fault_08_killed_at_each_file_operation_of_a_save(
    train: Callable[..., Trained], kills: Kills, each: bool
) -> None:
    whole, left = kills(lambda names: range(first_of_pruning(names)))
    names = [killed.before for killed in left]
    for kind in ("os.mkdir checkpoint-6", "write model.safetensors", "half of optimizer.pt", "fsync", "os.rename"):
        assert any(name.startswith(kind) for name in names), kind
    # Until the manifest is there the checkpoint doesn't exist; from then on it does.
    committed = names.index(next(name for name in names if name.startswith("os.rename"))) + 1
    assert [newest_step(killed) for killed in left] == [4] * committed + [6] * (len(left) - committed)
    # Every day a third of them, and the two around the commit.
    some = [killed for number, killed in enumerate(left) if number % 3 == 0 or number in (committed - 1, committed)]
    assert_each_goes_on(train, left if each else some, whole, each=each)


@EACH
def test_fault_09_killed_at_each_file_operation_of_pruning(
    train: Callable[..., Trained], kills: Kills, each: bool
) -> None:
    whole, left = kills(lambda names: range(first_of_pruning(names), len(names)))
    assert len(left) > len(checkpoints.REQUIRED)
    assert {newest_step(killed) for killed in left} == {AT}
    # What is left of the one that was being deleted hinders nothing, however much it is.
    assert_each_goes_on(train, left if each else left[:: len(left) // 3], whole, each=each)


def test_fault_11_each_file_operation_of_a_save_fails(
    train: Callable[..., Trained], place: Path, operations: Operations, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train("whole", **SETTINGS)
    run = RunDirectory(place / "failing")
    seen: list[tuple[str, bool]] = []

    def fail_everywhere(save: Callable[[], None]) -> None:
        shutil.copytree(run.checkpoints_dir, place / "before")
        number = 0
        while True:
            number += 1
            with operations.watching(number, fail):
                save()
            if len(operations.names) < number:
                break
            newest, unsound = checkpoints.newest_sound(run.checkpoints_dir)
            assert unsound == [], operations.names[number - 1]
            assert newest is not None
            assert checkpoints.step_of(newest) in (AT - 2, AT)
            seen.append((operations.names[number - 1], checkpoints.step_of(newest) == AT))
            put_back(run.checkpoints_dir, place / "before")
        put_back(run.checkpoints_dir, place / "before")

    instead_of_saving(monkeypatch, fail_everywhere)
    failing = train("failing", **SETTINGS)
    assert failing.outcome.status == "finished", failing.outcome.error
    assert_same(failing, whole)
    assert len(seen) > 30
    lost = [name for name, saved in seen if not saved]
    told = [event for event in failing.events if "could not be saved" in str(event.get("message"))]
    assert len(told) == len(lost)
    assert all(str(event["remedy"]) for event in told)
    # What fails after the commit is only the deleting of an older one.
    assert all(saved for name, saved in seen[first_of_pruning([name for name, _ in seen]) :])


def test_the_final_model_is_whole_or_not_there_wherever_it_is_killed(
    train: Callable[..., Trained], place: Path, operations: Operations, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = RunDirectory(place / "whole")
    kills: list[bool] = []
    usual = final.export

    def export(*arguments: Any, **options: Any) -> None:
        def killed_at(number: int) -> bool:
            def work() -> None:
                with operations.watching(number, kill):
                    usual(*arguments, **options)

            return was_killed(work)

        while killed_at(len(kills) + 1):
            kills.append((run.path / "final").exists())
            if kills[-1]:
                assert (run.path / "final" / "README.md").stat().st_size
            for path in run.path.glob("*final*"):
                shutil.rmtree(path)
        usual(*arguments, **options)

    monkeypatch.setattr("tui_finetune.training.finish.export", export)
    whole = train("whole", max_steps=1)
    assert whole.outcome.status == "finished"
    assert len(kills) > 4
