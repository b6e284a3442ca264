"""A failure in the middle of a run: what is said of it, and what helps where memory was too small."""

from __future__ import annotations

import traceback

from tui_finetune.config.flags import resume_command
from tui_finetune.config.schema import RunConfig
from tui_finetune.errors import UserError
from tui_finetune.runs import checkpoints
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.result import Remedy


def explain(error: Exception, run: RunDirectory, remedies: list[Remedy]) -> UserError:
    """What to tell the user: the cause, and what to do about it. What is a bug says so by its name.

    Args:
        error: what ended the run.
        run: the run.
        remedies: what to do, the best first, where its memory was too small.
    """
    from tui_finetune.training.trainer import NonFiniteLoss, is_storage_error

    if isinstance(error, NonFiniteLoss):
        return UserError(
            f"the loss is no longer a finite number after step {error.step}; the run was stopped there",
            "start a new run with half the learning_rate, or more warmup_steps; the checkpoints saved before are good",
        )
    if remedies:
        first, *others = remedies
        way = f"`{resume_command(run.name, first.changes)}`: {first.words}" if first.changes else first.words
        return UserError("the device's memory is full", "; or: ".join([way, *(other.words for other in others)]))
    if isinstance(error, checkpoints.UnsoundCheckpoint) or is_storage_error(error):
        return UserError(f"saving failed: {error}", f"free some space, then `{resume_command(run.name)}`")
    return UserError(f"{type(error).__name__}: {error}", f"the details are in {run.log_path}")


def is_not_finite(error: Exception) -> bool:
    """Whether the loss was no longer a number."""
    from tui_finetune.training.trainer import NonFiniteLoss

    return isinstance(error, NonFiniteLoss)


def _is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    # On a CPU, and by some libraries of a GPU, it is a RuntimeError.
    marks = ("DefaultCPUAllocator: can't allocate memory", "CUDA out of memory", "MPS backend out of memory")
    return isinstance(error, RuntimeError) and any(mark in str(error) for mark in marks)


def memory_remedies(error: BaseException, config: RunConfig) -> list[Remedy]:
    """All that can be done where an error says that memory was too small, the best first; of other errors nothing.

    Args:
        error: what ended the run.
        config: the run's configuration.
    """
    if not _is_out_of_memory(error):
        return []
    found = []
    evaluating = any(frame.name == "evaluation_loop" for frame in traceback.extract_tb(error.__traceback__))
    rows, batches = config.per_device_train_batch_size, config.gradient_accumulation_steps
    if evaluating and config.per_device_eval_batch_size > 1:
        fewer = config.per_device_eval_batch_size // 2
        found.append(Remedy(f"evaluate {fewer} rows at once", {"per_device_eval_batch_size": fewer}))
    if rows > 1:
        # The smallest factor keeps the product exact: 6 x 2 becomes 3 x 4, and 9 x 2 becomes 3 x 6.
        factor = next(n for n in range(2, rows + 1) if rows % n == 0)
        fewer, more = rows // factor, batches * factor
        found.append(
            Remedy(
                f"compute {fewer} rows at once instead of {rows}, {more} times for a step; the result stays the same",
                {"per_device_train_batch_size": fewer, "gradient_accumulation_steps": more},
            )
        )
    if not config.gradient_checkpointing:
        found.append(
            Remedy(
                "compute parts twice; it takes a third more time, the result stays the same",
                {"gradient_checkpointing": True},
            )
        )
    found.append(Remedy("a new run with a smaller max_length or a smaller model", {}))
    return found
