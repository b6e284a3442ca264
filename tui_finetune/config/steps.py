"""How many updates of the weights a run takes, and of how many rows."""

from __future__ import annotations

import math

from tui_finetune.config.schema import PREFERENCES, RunConfig
from tui_finetune.system.environment import visible_gpus


def processes_of(config: RunConfig) -> int:
    """How many processes train together; where nobody has said it, one for each GPU that is visible."""
    return config.num_processes or (1 if config.task in PREFERENCES else max(1, visible_gpus(config.gpus)))


def rows_per_update(config: RunConfig) -> int:
    """The effective batch: per device x accumulation x processes."""
    return config.per_device_train_batch_size * config.gradient_accumulation_steps * processes_of(config)


def steps_per_epoch(train_rows: int, config: RunConfig) -> int:
    """Updates of the weights in one pass over the rows; the last batch, and the last accumulation, may be partial."""
    batches = math.ceil(math.ceil(train_rows / config.per_device_train_batch_size) / processes_of(config))
    return max(math.ceil(batches / config.gradient_accumulation_steps), 1)


def count_steps(train_rows: int, config: RunConfig) -> int:
    """Updates of the weights in the whole run, by the formula of transformers.Trainer.

    Args:
        train_rows: rows of the training data, after packing and without those kept aside.
        config: the run's settings.
    """
    if config.max_steps >= 0:
        return config.max_steps
    return math.ceil(config.num_train_epochs * steps_per_epoch(train_rows, config))
