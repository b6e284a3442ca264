"""Deleting a run: what belongs to it and nothing else."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tui_finetune.errors import UserError
from tui_finetune.runs import registry
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.lock import RunLock


def _parts(run: RunDirectory) -> list[Path]:
    """The files and directories of a run that are there; a final model that was put elsewhere is not among them."""
    known = [run.events_path, run.log_path, run.control_dir, run.checkpoints_dir, run.path / "final", run.config_path]
    return [path for path in known if os.path.lexists(path)]


def run_bytes(run: RunDirectory) -> int:
    """What deleting it would free."""
    total = 0
    for part in _parts(run):
        files = [part] if part.is_symlink() or not part.is_dir() else part.rglob("*")
        for file in files:
            try:
                total += file.lstat().st_size
            except OSError:
                continue
    return total


def delete_run(run: RunDirectory) -> None:
    """Delete a run's events, configuration, checkpoints and final model; what else lies in its directory stays.

    Raises:
        UserError: it is being trained, or something can't be deleted.
    """
    try:
        with RunLock(run.lock_path):
            for part in _parts(run):
                if part.is_dir() and not part.is_symlink():
                    shutil.rmtree(part)
                else:
                    part.unlink()
            run.lock_path.unlink(missing_ok=True)
        if not any(run.path.iterdir()):
            run.path.rmdir()
    except OSError as error:
        raise UserError(
            f"{error.filename or run.path}: {error.strerror or error}", "check the permissions of the run's directory"
        ) from None
    registry.forget(run)
