"""Event logs and control directories as nobody should write them: they are read, and nothing hangs or fails (C6, C7)."""

from __future__ import annotations

import json
import os
import random
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.events import line
from tui_finetune.config.schema import RunConfig
from tui_finetune.runs import control
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.log import EventLog
from tui_finetune.runs.outcome import outcome
from tui_finetune.runs.summary import load_state, summarize
from tui_finetune.runs.watch import Watch

SECONDS = 5


@contextmanager
def within(seconds: int) -> Iterator[None]:
    """Raise where it takes longer, also where a system call waits."""

    def too_late(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, too_late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunDirectory:
    monkeypatch.setenv("FINETUNE_TUI_STATE", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    run = RunDirectory(tmp_path / "runs" / "one")
    run.create()
    run.write_config(RunConfig())
    return run


def read_all(run: RunDirectory) -> None:
    """Read a run in every way that a list or a screen does."""
    summarize(run).to_json()
    state = load_state(run)
    outcome(state, "interrupted", run.path)
    watch = Watch(run)
    watch.poll()
    assert watch.status
    for name in watch.state.curves:
        list(watch.state.curves[name])
    _ = (state.pace.active_seconds, state.step, state.updated)


STRANGE = (
    "NaN",
    "Infinity",
    "-Infinity",
    "9" * 4000,
    "1e999",
    "-1",
    "1e308",
    '"x"',
    "[]",
    "{}",
    "null",
    "true",
    '"\\ud800"',
)
EVENTS: tuple[dict[str, object], ...] = (
    {"time": 1.0, "type": "status", "status": "starting", "model": "m", "dataset": "d"},
    {"time": 2.0, "type": "status", "status": "running", "total_steps": 9},
    {"time": 3.0, "type": "metrics", "step": 1, "epoch": 0.1, "loss": 2.0, "tokens_per_second": 5.0},
    {"time": 4.0, "type": "metrics", "step": 1, "epoch": 0.1, "eval_loss": 2.0},
    {"time": 5.0, "type": "progress", "phase": "training", "done": 1, "total": 9, "unit": "steps"},
    {"time": 6.0, "type": "checkpoint", "step": 1, "path": "checkpoints/checkpoint-1", "seconds": 1.0, "bytes": 9, "best": True},
    {"time": 7.0, "type": "resources", "cpu_percent": 5.0, "ram_used": 1, "ram_total": 2},
    {"time": 8.0, "type": "sample", "step": 1, "prompt": "a", "text": "b"},
    {"time": 9.0, "type": "notice", "level": "info", "message": "m", "remedy": ""},
    {"time": 10.0, "type": "status", "status": "finished", "step": 9, "total_steps": 9, "seconds": 3.0, "eval_loss": 2.0},
)  # fmt: skip


def damaged(rng: random.Random) -> bytes:
    """A log whose events have strange values in some of their fields, with bytes changed and lines cut."""
    lines: list[bytes] = []
    for _ in range(rng.choice([1, 3, 40, 600])):
        event = rng.choice(EVENTS)
        pairs = [
            f"{json.dumps(key)}:{rng.choice(STRANGE) if rng.random() < 0.15 else json.dumps(value)}"
            for key, value in event.items()
        ]
        text = bytearray(("{" + ",".join(pairs) + "}").encode())
        if rng.random() < 0.05 and text:
            text[rng.randrange(len(text))] = rng.randrange(256)
        if rng.random() < 0.03:
            del text[rng.randrange(len(text)) :]
        lines.append(bytes(text))
    return line(EVENTS[0]) + b"\n".join(lines) + (b"\n" if rng.random() < 0.8 else b"")


def test_c7_damaged_event_logs_are_read(run: RunDirectory) -> None:
    for seed in range(70):
        run.events_path.write_bytes(damaged(random.Random(seed)))
        (run.path / "digest.jsonl").unlink(missing_ok=True)
        with within(SECONDS):
            read_all(run)


@pytest.mark.parametrize("kind", ["pipe", "device", "directory", "missing"])
@pytest.mark.parametrize("name", ["events.jsonl", "digest.jsonl"])
def test_c7_what_is_no_file_is_not_waited_for(run: RunDirectory, kind: str, name: str) -> None:
    run.events_path.write_bytes(b"".join(map(line, EVENTS)) * 300)
    path = run.path / name
    path.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "directory":
        path.mkdir()
    with within(SECONDS):
        read_all(run)
        if name == "digest.jsonl":
            EventLog(run.events_path).close()


def test_c6_hostile_control_directories_hold_nothing_up(run: RunDirectory) -> None:
    for seed in range(20):
        rng = random.Random(seed)
        for number in range(rng.choice([1, 10, 300])):
            path = run.control_dir / f"{number:06}.json"
            kind = rng.randrange(7)
            if kind == 0:
                os.mkfifo(path)
            elif kind == 1:
                path.symlink_to(rng.choice(["/dev/zero", "/etc/passwd", str(run.path), "nowhere"]))
            elif kind == 2:
                path.mkdir()
            else:
                value = rng.choice([*STRANGE, "[" * 5000, '"' + "x" * 100_000 + '"', "{" * 2000])
                path.write_text(rng.choice(['{"action": %s}', '{"action": "sample", "prompt": %s}', "%s"]) % value)
        run.request("stop")
        with within(SECONDS):
            assert control.waiting(run.control_dir, "stop")
            taken = control.take(run.control_dir)
            for request in taken:
                request.text("prompt").encode()
        assert taken[-1].action == "stop"
        for path in run.control_dir.iterdir():
            path.rmdir()  # only directories are left where they are
