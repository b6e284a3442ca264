"""What learning preferences needs, looked at before anything is loaded."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from tui_finetune.config.schema import PREFERENCES, RunConfig
from tui_finetune.errors import UserError

TRL = (1, 16)
"""The version of TRL from which on its trainers are as they are used here; below 2."""


def check_task(config: RunConfig) -> None:
    """Raises UserError where what the task needs is missing, or a setting can't be with it."""
    if config.task not in PREFERENCES:
        return
    install = "pip install 'finetune-tui[preference]'"
    try:
        installed = version("trl")
    except PackageNotFoundError:
        raise UserError(
            f"task is {config.task}, but the package trl is not installed", f"{install}, or set task: sft", "task"
        ) from None
    numbers = tuple(int(part) for part in installed.split(".")[:2] if part.isdigit())
    if not TRL <= numbers < (2,):
        raise UserError(f"task {config.task} needs trl from 1.16 on and below 2, not {installed}", install, "task")
    if config.use_liger_kernel:
        raise UserError(
            f"Liger kernels can't be used with task: {config.task}", "set use_liger_kernel: false", "use_liger_kernel"
        )
    if (config.num_processes or 1) > 1:
        raise UserError(f"task {config.task} is trained by one process", "set num_processes: 1", "num_processes")
    if config.task == "kto" and config.per_device_train_batch_size < 2:
        raise UserError(
            "kto compares the replies of a batch, so a batch of one row teaches nothing",
            "set per_device_train_batch_size: 2 or more",
            "per_device_train_batch_size",
        )
