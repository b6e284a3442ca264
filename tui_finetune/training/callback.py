"""The bridge between Trainer and the run directory: writes events, has requests obeyed."""

from __future__ import annotations

import time
from collections.abc import Sized
from pathlib import Path
from typing import TYPE_CHECKING

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.events import PhaseEvent, StatusEvent
from tui_finetune.runs.log import EventLog
from tui_finetune.training.ranks import Ranks
from tui_finetune.training.requests import Requests, Throughput, evaluate_aside, metrics_event
from tui_finetune.training.samples import Samples
from tui_finetune.training.trainer import RunTrainer

if TYPE_CHECKING:
    from torch.utils.data import DataLoader


class RunCallback(TrainerCallback):
    """Tells the event log what happens, and after each step has the requests obeyed that were left for the run.

    Args:
        run: the run.
        log: its event log.
        trainer: its Trainer, to which it is to be added.
        resumed_from: the checkpoint that the training goes on from, if any.
        default_prompt: what a sample begins with where the request doesn't say.
        evaluates_first: whether the model is evaluated once before the first step.
        samples: writes samples by itself; None for none.
        ranks: the processes that train the run; this one alone if left out.
    """

    def __init__(
        self,
        run: RunDirectory,
        log: EventLog,
        trainer: RunTrainer,
        resumed_from: Path | None,
        default_prompt: str,
        *,
        evaluates_first: bool = False,
        samples: Samples | None = None,
        ranks: Ranks | None = None,
    ) -> None:
        self._ranks = ranks or Ranks()
        self._log = log
        self._trainer = trainer
        self._resumed_from = resumed_from
        self._requests = Requests(run, log, trainer, default_prompt, self._ranks)
        self._throughput = Throughput(0)
        self._evaluates_first = evaluates_first
        self._samples = samples
        self._evaluated = 0
        self._evaluating_since = 0.0
        self._saves_after_epoch = False

    @property
    def stopping(self) -> bool:
        """Whether a stop was asked for."""
        return self._requests.stopping

    # Training

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object
    ) -> None:
        if self._resumed_from is not None:
            self._trainer.restore_log_state(self._resumed_from)
            self._trainer.take_up_settings()
        taught = self._trainer.taught
        self._log.write(StatusEvent("running", total_steps=state.max_steps, taught=taught))
        self._log.write(PhaseEvent("training"))
        self._log.progress("training", state.global_step, state.max_steps, "steps")
        seconds = self._evaluate_first(state) if self._evaluates_first and self._resumed_from is None else 0.0
        if self._samples is not None:
            self._begin_samples(state, seconds)
        self._throughput = Throughput(self._trainer.num_tokens)

    def _begin_samples(self, state: TrainerState, evaluation_seconds: float) -> None:
        assert self._samples is not None
        arguments, rows = self._trainer.args, self._trainer.eval_dataset
        evaluated = len(rows) if isinstance(rows, Sized) else 0
        rows_of_update = arguments.train_batch_size * arguments.gradient_accumulation_steps * self._ranks.size
        trained = state.max_steps * rows_of_update
        self._samples.begin(evaluation_seconds, evaluated, trained)
        if self._resumed_from is None and evaluation_seconds:
            self._log.write(PhaseEvent("evaluating", "Writing samples"))
            self._samples.write(0, state.max_steps)
            self._log.write(PhaseEvent("training"))

    def _evaluate_first(self, state: TrainerState) -> float:
        """The loss before training; returns the seconds that it took. Not by Trainer's eval_on_start, which uses up random
        numbers and tells it to early stopping: with or without it the run is the same."""
        began = time.monotonic()
        metrics = evaluate_aside(self._trainer)
        self._evaluated = 0
        self._log.write(metrics_event(state, metrics, before_training=True))
        self._log.write(PhaseEvent("training"))
        return time.monotonic() - began

    def on_step_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object
    ) -> None:
        trainer = self._trainer
        if trainer.args.device.type == "cpu":
            trainer.check_finite()
        self._log.progress("training", state.global_step, state.max_steps, "steps")
        began = time.monotonic()
        self._requests.obey(state, control)
        self._evaluated = 0
        self._throughput.skip(time.monotonic() - began)
        if self.stopping:
            control.should_training_stop = control.should_save = True
        # At the end of an epoch its evaluation belongs to the step, and the save follows it: were it killed between the two,
        # the evaluation would be missing from the resumed run.
        self._saves_after_epoch = control.should_save and _ends_epoch(state)
        if self._saves_after_epoch:
            control.should_save = False

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object
    ) -> None:
        if self._saves_after_epoch:
            control.should_save = True
        elif self.stopping and not _ends_epoch(state):
            # Trainer takes a stop for the end of the epoch; evaluating now would use up random numbers.
            control.should_evaluate = control.should_save = False

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **kwargs: object,
    ) -> None:
        logs = logs or {}
        if "loss" not in logs:
            self._log.write(metrics_event(state, logs))
            return
        self._trainer.check_finite()
        tokens = self._trainer.tokens_seen()
        speed = self._throughput.look(tokens)
        self._log.write(metrics_event(state, logs, tokens_per_second=speed, num_tokens=tokens))
        if (spike := self._trainer.batch_losses.logged(logs["loss"])) is not None:
            self._log.write(spike)

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object
    ) -> None:
        self._requests.finish(state)
        self._log.progress("training", state.global_step, state.max_steps, "steps")
        if self._samples is not None and not self.stopping:
            self._samples.write(state.global_step, state.max_steps, at_end=True)
            self._samples.end()

    # Evaluation

    def on_prediction_step(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        eval_dataloader: DataLoader[object] | None = None,
        **kwargs: object,
    ) -> None:
        total = len(eval_dataloader) if eval_dataloader is not None else None
        if self._evaluated == 0:
            self._evaluating_since = time.monotonic()
            self._log.write(PhaseEvent("evaluating", "Evaluating"))
        self._evaluated += 1
        self._log.progress("evaluating", self._evaluated, total, "batches")
        # Several have to agree on it; they do so when it is over.
        if not self._ranks.are_several and not self.stopping and self._requests.stop_is_waiting():
            self._log.write(StatusEvent("stopping", "the evaluation is finished first"))
            self._requests.stopping = True

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        metrics: dict[str, float] | None = None,
        **kwargs: object,
    ) -> None:
        if self._evaluated:
            self._throughput.skip(time.monotonic() - self._evaluating_since)
        self._evaluated = 0
        self._requests.agree_to_stop()
        loss = (metrics or {}).get("eval_loss")
        # The best so far is always saved, whatever the interval of saving. Trainer notes that it is the best, then saves.
        if loss is not None and (state.best_metric is None or loss < state.best_metric):
            control.should_save = True
        if self.stopping:
            control.should_training_stop = True
            control.should_save = True
        elif self._samples is not None:
            began = time.monotonic()
            self._samples.write(state.global_step, state.max_steps)
            self._throughput.skip(time.monotonic() - began)
        self._log.write(PhaseEvent("training"))


def _ends_epoch(state: TrainerState) -> bool:
    """Whether the step just done was the last of its epoch, or of the run, which may end in the middle of one."""
    if state.global_step >= state.max_steps:
        return True
    return state.epoch is not None and float(state.epoch).is_integer() and state.global_step > 0
