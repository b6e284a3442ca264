"""A failure in the middle of a run: what is said of it."""

from __future__ import annotations

from tui_finetune.config.flags import resume_command
from tui_finetune.errors import UserError
from tui_finetune.runs import checkpoints
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.result import Remedy
from tui_finetune.system.files import is_storage_error
from tui_finetune.training.memory import TooLittleMemory


def explain(error: Exception, run: RunDirectory, remedies: list[Remedy]) -> UserError:
    """What to tell the user: the cause, and what to do about it. What is a bug says so by its name.

    Args:
        error: what ended the run.
        run: the run.
        remedies: what to do, the best first, where its memory was too small.
    """
    from tui_finetune.training.trainer import NonFiniteLoss

    if isinstance(error, NonFiniteLoss):
        return UserError(
            f"the loss is no longer a finite number after step {error.step}; the run was stopped there",
            "start a new run with half the learning_rate, or more warmup_steps; the checkpoints saved before are good",
        )
    if remedies:
        first, *others = remedies
        way = f"`{resume_command(run.name, first.changes)}`: {first.words}" if first.changes else first.words
        cause = str(error) if isinstance(error, TooLittleMemory) else "the device's memory is full"
        return UserError(cause, "; or: ".join([way, *(other.words for other in others)]))
    if isinstance(error, checkpoints.UnsoundCheckpoint) or is_storage_error(error):
        return UserError(f"saving failed: {error}", f"free some space, then `{resume_command(run.name)}`")
    return UserError(f"{type(error).__name__}: {error}", f"the details are in {run.log_path}")


def is_not_finite(error: Exception) -> bool:
    """Whether the loss was no longer a number."""
    from tui_finetune.training.trainer import NonFiniteLoss

    return isinstance(error, NonFiniteLoss)
