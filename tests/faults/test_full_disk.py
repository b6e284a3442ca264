"""A disk that is full to the last byte: each command says so in a line, and room can be made (C4)."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.programs import Programs
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.removal import delete_run
from tui_finetune.runs.summary import summarize


@pytest.fixture
def small_disk(place: Path) -> Iterator[Path]:
    """A file system of 8 MB of its own."""
    disk = place / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("takes a file system of its own")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def fill(disk: Path, name: str) -> None:
    with contextlib.suppress(OSError), (disk / name).open("wb", buffering=0) as file:
        while True:
            file.write(b"0" * 4096)
    assert shutil.disk_usage(disk).free == 0


def test_c4_on_a_full_disk_each_command_ends_in_words_and_a_run_can_be_deleted(
    programs: Programs, place: Path, models: Path, small_disk: Path
) -> None:
    train = (
        "train", "--model", str(models / "llama"), "--dataset", str(place / "data.jsonl"), "--max_length", "64",
        "--eval_strategy", "no", "--max_steps", "1",
    )  # fmt: skip
    assert programs.run(*train, "--output_dir", "run", folder=small_disk).status == 0
    run = RunDirectory(small_disk / "run")
    fill(small_disk, "all of it")
    for command in (("resume", "run", "--max_steps", "2"), (*train, "--output_dir", "other"), train):
        done = programs.run(*command, folder=small_disk)
        assert done.words[-2:] == ["error", "hint"], done
        assert "Traceback" not in done.out + done.err
        assert "No space left" in done.err
        assert "free some space" in done.err
    assert not (small_disk / "other").exists()
    assert summarize(run).name == "run"
    # Also where the lock, the digest of the log and the like would have to be made first.
    for name in ("run.lock", "digest.jsonl", "train.log"):
        (run.path / name).unlink(missing_ok=True)
    fill(small_disk, "the rest")
    delete_run(run)
    assert not run.path.exists()
