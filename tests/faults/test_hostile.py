"""What strangers hand over ends in one line with the cause and one with the remedy, or it works: soon, and in little memory."""

from __future__ import annotations

import contextlib
import io
import random
import resource
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import hostile
from tests.tiny import make_model, sentences, write_jsonl
from tui_finetune.cli.main import main
from tui_finetune.runs import control

SECONDS, KILOBYTES = 5.0, 500_000
RECORDED = Path(__file__).parents[1] / "training" / "recorded" / "run"


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A good model, and beside it good data."""
    folder = tmp_path_factory.mktemp("good")
    write_jsonl(folder / "d.jsonl", sentences(30))
    return make_model(folder / "model")


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FINETUNE_TUI_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("FINETUNE_TUI_STATE", str(tmp_path / "state"))


def peak() -> int:
    """The most memory that this process has had, in kB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@contextlib.contextmanager
def bounded(what: str) -> Iterator[None]:
    """Within it little time and memory is used. Time of the processor: others may be using it too."""
    memory, began = peak(), time.process_time()
    yield
    assert time.process_time() - began < SECONDS, what
    assert peak() - memory < KILOBYTES, what


def check(*arguments: str) -> int:
    """Run a command: it works, or says in two lines why not."""
    out, err = io.StringIO(), io.StringIO()
    what = f"finetune-tui {' '.join(arguments)}"
    with bounded(what), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(list(arguments))
    told = out.getvalue() + err.getvalue()
    assert not set("\x1b\x07\x9b") & set(told), what
    assert "Traceback" not in told, what
    assert "a bug in finetune-tui" not in told, f"{what}: {told}"
    if status != 0:
        lines = err.getvalue().splitlines()
        assert [line.split(":")[0] for line in lines if not line.startswith("note:")] == ["error", "hint"], (
            f"{what}: {told}"
        )
    return status


def commands(model: Path, data: Path) -> list[list[str]]:
    named = ["--model", str(model)]
    return [
        ["estimate", *named, "--dataset", str(data)],
        ["preview", str(data), *named],
        ["train", *named, "--dataset", str(data), "--dry-run"],
        ["chat", str(model), "--prompt", "hello", "--max_new_tokens", "2"],
    ]


def try_models(seeds: range, good: Path, place: Path) -> None:
    for command in commands(good, good.parent / "d.jsonl"):
        assert check(*command) == 0  # what is good works
    for seed in seeds:
        folder = hostile.model(place / f"m{seed}", good, random.Random(seed))
        for command in commands(folder, good.parent / "d.jsonl"):
            check(*command)
        shutil.rmtree(folder)


def test_hostile_models(good: Path, tmp_path: Path) -> None:
    try_models(range(8), good, tmp_path)


@pytest.mark.long
def test_hostile_models_all(good: Path, tmp_path: Path) -> None:
    try_models(range(100), good, tmp_path)


def try_data(seeds: range, good: Path, place: Path) -> None:
    for seed in seeds:
        path = hostile.data(place / f"d{seed}", random.Random(seed))
        check("preview", str(path), "--model", str(good))


def test_hostile_data(good: Path, tmp_path: Path) -> None:
    try_data(range(15), good, tmp_path)


@pytest.mark.long
def test_hostile_data_all(good: Path, tmp_path: Path) -> None:
    try_data(range(150), good, tmp_path)


def try_configurations(seeds: range, good: Path, place: Path) -> None:
    for seed in seeds:
        path = hostile.configuration(place / f"c{seed}", random.Random(seed))
        check("train", str(path), "--dry-run", "--model", str(good), "--dataset", str(good.parent / "d.jsonl"))


def test_hostile_configurations(good: Path, tmp_path: Path) -> None:
    try_configurations(range(15), good, tmp_path)


@pytest.mark.long
def test_hostile_configurations_all(good: Path, tmp_path: Path) -> None:
    try_configurations(range(120), good, tmp_path)


def try_event_logs(count: int, place: Path) -> None:
    chance = random.Random(0)
    runs = [hostile.event_log(place / "runs", RECORDED, number, chance) for number in range(count)]
    for command in (["runs"], ["runs", "--json"]):
        assert check(*command) == 0
    for run in runs:
        check("stop", str(run))


def test_hostile_event_logs(tmp_path: Path) -> None:
    try_event_logs(10, tmp_path)


@pytest.mark.long
def test_hostile_event_logs_all(tmp_path: Path) -> None:
    try_event_logs(70, tmp_path)


@pytest.mark.parametrize("seed", range(20))
def test_hostile_control_folders(tmp_path: Path, seed: int) -> None:
    folder = hostile.control_folder(tmp_path / "control", random.Random(seed))
    with bounded(str(folder)):
        control.left(folder)
        control.take(folder)
        control.drop(folder, control.left(folder))
