"""Where a run goes on from: the newest checkpoint that is sound, and what is told and done about the others."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from tui_finetune.config.schema import RunConfig
from tui_finetune.errors import Notice, UserError
from tui_finetune.runs import checkpoints
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.log import EventLog
from tui_finetune.runs.summary import load_state
from tui_finetune.training.changes import check_settings, determining


def checkpoint_to_go_on_from(run: RunDirectory, config: RunConfig, log: EventLog) -> Path | None:
    """The checkpoint that a run goes on from; None where none was ever saved, and the training begins again.

    Every newer one that is not used is told, with the reason.

    Raises:
        UserError: every checkpoint is damaged, or the newest sound one belongs to other settings.
    """
    checkpoint, unsound = checkpoints.newest_sound(run.checkpoints_dir)
    half = checkpoints.uncommitted(run.checkpoints_dir)
    if checkpoint is None and (unsound or load_state(run).checkpoints):
        what = [f"{path.name}: {reason}" for path, reason in unsound]
        what += [f"{path.name}: {checkpoints.MANIFEST} is missing" for path in half]
        raise UserError(
            f"every checkpoint of {run.name} is damaged: {'; '.join(what) or 'none is there any more'}",
            "restore the run's directory from a copy, or start a new run",
        )
    for path, reason in unsound:
        message = f"{path.name} is damaged ({reason}) and is not used."
        log.notice(Notice("warning", message, "resuming from the one before"))
    for path in half:
        if checkpoint is None or checkpoints.step_of(path) > checkpoints.step_of(checkpoint):
            message = f"{path.name} was not saved to its end ({checkpoints.MANIFEST} is missing) and is removed."
            remedy = "resuming from the one before" if checkpoint else "the training begins again"
            log.notice(Notice("warning", message, remedy))
    if checkpoint is not None:
        settings = checkpoints.read_manifest(checkpoint).facts.get("settings")
        check_settings(settings if isinstance(settings, dict) else {}, determining(config))
    return checkpoint


def clear_the_way(run: RunDirectory, checkpoint: Path | None) -> None:
    """Put away what is in the place of checkpoints that will be saved again, after the one that the run goes on from, and
    what a killed process left half done."""
    for bad in checkpoints.committed(run.checkpoints_dir):
        if checkpoint is not None and checkpoints.step_of(bad) > checkpoints.step_of(checkpoint):
            bad.rename(bad.with_name(f"damaged-{bad.name}-{time.time_ns()}"))
    for path in [*checkpoints.uncommitted(run.checkpoints_dir), *run.path.glob(".final-*")]:
        shutil.rmtree(path, ignore_errors=True)
