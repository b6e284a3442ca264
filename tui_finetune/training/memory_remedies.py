"""What helps when the device's memory is full: the changes that leave the result as it is first."""

from __future__ import annotations

import traceback

from tui_finetune.config.schema import RunConfig
from tui_finetune.runs.result import Remedy


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
