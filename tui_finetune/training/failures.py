"""A failure in the middle of a run, in words."""

from __future__ import annotations

from tui_finetune.errors import UserError
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.training import checkpoints


def explain(error: Exception, run: RunDirectory) -> UserError:
    """What to tell the user: the cause, and what to do about it. What is a bug says so by its name."""
    from tui_finetune.training.trainer import NonFiniteLoss, is_storage_error

    if isinstance(error, NonFiniteLoss):
        return UserError(
            f"the loss is no longer a finite number after step {error.step}; the run was stopped there",
            "halve learning_rate, or raise warmup_steps; the checkpoints saved before are good",
        )
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return UserError(
            "the device's memory is full",
            "halve per_device_train_batch_size and double gradient_accumulation_steps; the result stays the same",
        )
    if isinstance(error, checkpoints.UnsoundCheckpoint) or is_storage_error(error):
        return UserError(f"saving failed: {error}", f"free some space, then `finetune-tui resume {run.name}`")
    return UserError(f"{type(error).__name__}: {error}", f"the details are in {run.log_path}")
