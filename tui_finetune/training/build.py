"""The Trainer of a run, put together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from transformers import TrainingArguments
from transformers.trainer_callback import PrinterCallback

from tui_finetune.config.schema import PREFERENCES, RunConfig
from tui_finetune.data.tokens.tokenize import padding_of
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.log import EventLog
from tui_finetune.runs.series import curve_name
from tui_finetune.training.arguments import training_arguments
from tui_finetune.training.callback import RunCallback
from tui_finetune.training.early_stopping import EarlyStoppingCallback
from tui_finetune.training.inputs import Inputs
from tui_finetune.training.optimizers import optimizer_for, schedule_options
from tui_finetune.training.ranks import Ranks
from tui_finetune.training.rng import seed_rank
from tui_finetune.training.samples import Samples
from tui_finetune.training.shared_trainer import SharedTrainer
from tui_finetune.training.trainer import RunTrainer


@dataclass(frozen=True)
class TaskTrainer:
    """What trains for a task.

    Attributes:
        trainer: the class.
        arguments: the class of its arguments.
        more: its own arguments.
        eval_average: over what its evaluation loss is the mean, where that is not to be chosen.
    """

    trainer: type[RunTrainer] = RunTrainer
    arguments: type[TrainingArguments] = TrainingArguments
    more: Mapping[str, object] = field(default_factory=dict)
    eval_average: str = ""


def task_trainer(config: RunConfig, inputs: Inputs) -> TaskTrainer:
    """What trains for the task that is chosen."""
    if config.task not in PREFERENCES:
        return TaskTrainer()
    from tui_finetune.training.preferences import trainers

    kind = trainers.TRAINERS[config.task]
    return TaskTrainer(kind, kind.arguments, kind.more(config, padding_of(inputs.tokenizer)), "batches")


def build_trainer(
    inputs: Inputs,
    config: RunConfig,
    run: RunDirectory,
    log: EventLog,
    facts: dict[str, object],
    checkpoint: Path | None,
    keep_lock: Callable[[], None],
    ranks: Ranks,
) -> tuple[RunTrainer, RunCallback]:
    """A Trainer that writes into the run's directory and obeys it, and the callback that does so.

    Args:
        inputs: what it trains.
        config: the run's settings.
        run: its directory.
        log: its event log.
        facts: what goes into each checkpoint's manifest.
        checkpoint: what the training is resumed from, if anything.
        keep_lock: called before each save; raises where the run isn't this process's any more.
        ranks: the processes that train it.
    """
    task = task_trainer(config, inputs)
    arguments = training_arguments(
        config,
        run.checkpoints_dir,
        precision=inputs.precision,
        evaluates=inputs.evaluates,
        kind=task.arguments,
        more=task.more,
    )
    kind = SharedTrainer if ranks.are_several and task.trainer is RunTrainer else task.trainer
    trainer = kind(
        model=inputs.model,
        args=arguments,
        train_dataset=inputs.data.train,
        eval_dataset=inputs.data.evaluation if inputs.evaluates else None,
        data_collator=inputs.data.collator,
        processing_class=inputs.tokenizer,
        event_log=log,
        facts=facts,
        keep_newest=config.save_total_limit,
        patience=config.early_stopping_patience,
        eval_average=task.eval_average or config.eval_loss_average,
        lengths=inputs.data.lengths,
        sources=inputs.data.sources,
        evaluated=[(curve_name(label), rows) for label, rows in inputs.data.evaluated],
        optimizer=optimizer_for(config, inputs.model),
        schedule=partial(schedule_options, config),
        loss=inputs.loss,
        base=inputs.base,
        loraplus_lr_ratio=config.loraplus_lr_ratio,
        keep_lock=keep_lock,
    )
    _join(trainer, config.seed, ranks)
    trainer.remove_callback(PrinterCallback)
    callback = _with_callback(trainer, inputs, config, run, checkpoint, ranks)
    if arguments.metric_for_best_model and config.early_stopping_patience > 0:
        trainer.add_callback(EarlyStoppingCallback(config.early_stopping_patience))
    return trainer, callback


def _with_callback(
    trainer: RunTrainer,
    inputs: Inputs,
    config: RunConfig,
    run: RunDirectory,
    checkpoint: Path | None,
    ranks: Ranks,
) -> RunCallback:
    """The callback that writes into the run's directory and obeys it, added to the Trainer."""
    log = trainer.event_log
    callback = RunCallback(
        run,
        log,
        trainer,
        checkpoint,
        inputs.first_words(),
        evaluates_first=inputs.evaluates and config.eval_strategy != "no" and config.eval_on_start,
        samples=Samples(trainer, log, inputs.prompts(config), config.seed) if ranks.is_first else None,
        ranks=ranks,
    )
    trainer.add_callback(callback)
    return callback


def _join(trainer: RunTrainer, seed: int, ranks: Ranks) -> None:
    """Make it one of several, where there are several; from here on each has random numbers of its own."""
    if isinstance(trainer, SharedTrainer):
        trainer.ranks, trainer.batch_losses.gather = ranks, ranks.gather
        seed_rank(seed, ranks.rank)
