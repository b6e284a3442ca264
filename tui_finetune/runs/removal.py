"""Deleting a run: what belongs to it and nothing else."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

from tui_finetune.errors import UserError
from tui_finetune.runs import places, registry
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.lock import RunLock


def _there(run: RunDirectory) -> list[Path]:
    """The parts of a run that are there; a final model that was put elsewhere is not among them."""
    return [path for path in run.parts if os.path.lexists(path)]


def run_bytes(run: RunDirectory) -> int:
    """What deleting it would free."""
    total = 0
    for part in _there(run):
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
        UserError: it is no run, is being trained, or something can't be deleted.
    """
    final, run_id = run.final_dir, run.id
    if not run.exists:
        raise UserError(f"{run.path} is no run", "only runs are deleted; look into it, and delete it by hand")
    try:
        # On a full disk the lock file can't be made, which must not keep anybody from making room.
        with RunLock(run.lock_path, make=False):
            _delete_parts(run)
        _delete_rest(run)
    except OSError as error:
        raise UserError(
            f"{error.filename or run.path}: {error.strerror or error}", "check the permissions of the run's directory"
        ) from None
    places.release(final, run_id)
    registry.forget(run)


def discard_run(run: RunDirectory) -> None:
    """Remove a run that never took a step: there is nothing in it, and its name is free again."""
    with contextlib.suppress(OSError):
        if run.is_live or (run.checkpoints_dir.is_dir() and any(run.checkpoints_dir.iterdir())):
            return
        final, run_id = run.final_dir, run.id
        _delete_parts(run)
        _delete_rest(run)
        places.release(final, run_id)
    registry.forget(run)


def _delete_parts(run: RunDirectory) -> None:
    for part in _there(run):
        if part.is_dir() and not part.is_symlink():
            shutil.rmtree(part)
        else:
            part.unlink()


def _delete_rest(run: RunDirectory) -> None:
    """The locks, and last the marker: a deletion that is cut short can be finished."""
    run.lock_path.unlink(missing_ok=True)
    run.launch_lock_path.unlink(missing_ok=True)
    run.marker_path.unlink(missing_ok=True)
    if not any(run.path.iterdir()):
        run.path.rmdir()
