"""How many updates of the weights a run takes."""

from __future__ import annotations

import math

from tui_finetune.config.schema import RunConfig


def steps_per_epoch(train_rows: int, config: RunConfig, processes: int = 1) -> int:
    """Updates of the weights in one pass over the rows; the last batch, and the last accumulation, may be partial."""
    batches = math.ceil(math.ceil(train_rows / config.per_device_train_batch_size) / processes)
    return max(math.ceil(batches / config.gradient_accumulation_steps), 1)


def count_steps(train_rows: int, config: RunConfig, processes: int = 1) -> int:
    """Updates of the weights in the whole run, by the formula of transformers.Trainer.

    Args:
        train_rows: rows of the training data, after packing and without those kept aside.
        config: the run's settings.
        processes: how many processes share the batches.
    """
    if config.max_steps >= 0:
        return config.max_steps
    return math.ceil(config.num_train_epochs * steps_per_epoch(train_rows, config, processes))
