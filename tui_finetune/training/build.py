"""The Trainer of a run, put together."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from transformers.trainer_callback import PrinterCallback

from tui_finetune.config.schema import RunConfig
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.log import EventLog
from tui_finetune.runs.series import curve_name
from tui_finetune.training.arguments import training_arguments
from tui_finetune.training.callback import RunCallback
from tui_finetune.training.early_stopping import EarlyStoppingCallback
from tui_finetune.training.inputs import Inputs
from tui_finetune.training.optimizers import optimizer_for, schedule_options
from tui_finetune.training.samples import Samples
from tui_finetune.training.trainer import RunTrainer


def build_trainer(
    inputs: Inputs,
    config: RunConfig,
    run: RunDirectory,
    log: EventLog,
    facts: dict[str, object],
    checkpoint: Path | None,
    keep_lock: Callable[[], None],
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
    """
    arguments = training_arguments(config, run.checkpoints_dir, precision=inputs.precision, evaluates=inputs.evaluates)
    trainer = RunTrainer(
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
        eval_average=config.eval_loss_average,
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
    trainer.remove_callback(PrinterCallback)
    evaluates = inputs.evaluates and config.eval_strategy != "no"
    callback = RunCallback(
        run,
        log,
        trainer,
        checkpoint,
        inputs.first_words(),
        evaluates_first=evaluates and config.eval_on_start,
        samples=Samples(trainer, log, inputs.prompts(config), config.seed),
    )
    trainer.add_callback(callback)
    if arguments.metric_for_best_model and config.early_stopping_patience > 0:
        trainer.add_callback(EarlyStoppingCallback(config.early_stopping_patience))
    return trainer, callback
