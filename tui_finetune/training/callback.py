"""The bridge between Trainer and the run directory: writes events, obeys requests."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from tui_finetune.runs import control as requests
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.log import EventLog
from tui_finetune.training.rng import untouched_random_state
from tui_finetune.training.trainer import RunTrainer

PAUSE_POLL_SECONDS = 0.1
SAMPLE_TOKENS = 60
METRICS = ("loss", "eval_loss", "learning_rate", "grad_norm")


class RunCallback(TrainerCallback):
    """Tells the event log what happens, and at each step takes the requests that were left in the control directory.

    Args:
        run: the run.
        event_log: its log.
        resumed_from: the checkpoint that the training goes on from, if any.
        default_prompt: what a sample begins with where the request doesn't say.

    Attributes:
        stopping: whether a stop was asked for.
        trainer: to be set once the Trainer is made; Trainer gives its callbacks no way to it.
    """

    def __init__(self, run: RunDirectory, event_log: EventLog, resumed_from: Path | None, default_prompt: str) -> None:
        self.run = run
        self.log = event_log
        self.resumed_from = resumed_from
        self.default_prompt = default_prompt
        self.stopping = False
        self.trainer: RunTrainer | None = None
        self._evaluated = 0
        self._tokens_at = (time.monotonic(), 0)

    @property
    def _trainer(self) -> RunTrainer:
        assert self.trainer is not None
        return self.trainer

    # Training

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if self.resumed_from is not None:
            self._trainer.restore_log_state(self.resumed_from)
            self._trainer.take_up_settings()
        self._tokens_at = (time.monotonic(), self._trainer.num_tokens)
        self.log.write("status", status="running", total_steps=state.max_steps)
        self.log.write("phase", phase="training", label="")
        self.log.progress("training", state.global_step, state.max_steps, "steps")

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        trainer = self._trainer
        if trainer.args.device.type == "cpu":
            trainer.check_finite()
        self.log.progress("training", state.global_step, state.max_steps, "steps")
        self._obey(state, control)
        if self.stopping:
            control.should_training_stop = True
            # At the very end of an epoch its evaluation belongs to the step; the save follows it in on_epoch_end.
            if not _ends_epoch(state):
                control.should_save = True

    def on_epoch_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if not self.stopping:
            return
        if _ends_epoch(state):
            control.should_save = True
        else:
            # Trainer takes a stop for the end of the epoch; evaluating now would use up random numbers.
            control.should_evaluate = False
            control.should_save = False

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        logs = logs or {}
        if "loss" in logs:
            trainer = self._trainer
            trainer.check_finite()
            now, tokens = time.monotonic(), trainer.tokens_seen()
            before, tokens_before = self._tokens_at
            self._tokens_at = (now, tokens)
            self._metrics(
                state,
                logs,
                tokens_per_second=round((tokens - tokens_before) / max(now - before, 1e-6), 1),
                num_tokens=tokens,
            )
        elif "eval_loss" in logs:
            self._metrics(state, logs, eval_runtime=logs.get("eval_runtime"))

    def _metrics(self, state: TrainerState, logs: dict[str, Any], **more: Any) -> None:
        known = {name: logs[name] for name in METRICS if name in logs}
        self.log.write("metrics", step=state.global_step, epoch=round(state.epoch or 0.0, 4), **known, **more)

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self.log.progress("training", state.global_step, state.max_steps, "steps")

    # Evaluation

    def on_prediction_step(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        eval_dataloader: Any = None,
        **kwargs: Any,
    ) -> None:
        total = len(eval_dataloader) if eval_dataloader is not None else None
        if self._evaluated == 0:
            self.log.write("phase", phase="evaluating", label="Evaluating")
        self._evaluated += 1
        self.log.progress("evaluating", self._evaluated, total, "batches")
        if not self.stopping and requests.waiting(self.run.control_dir, "stop"):
            self.log.write("status", status="stopping", reason="the evaluation is finished first")
            self.stopping = True

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        metrics: dict[str, float] | None = None,
        **kwargs: Any,
    ) -> None:
        self._evaluated = 0
        loss = (metrics or {}).get("eval_loss")
        # The best so far is always saved, whatever the interval of saving. Trainer notes that it is the best, then saves.
        if loss is not None and (state.best_metric is None or loss < state.best_metric):
            control.should_save = True
        if self.stopping:
            control.should_training_stop = True
            control.should_save = True
        self.log.write("phase", phase="training", label="")

    # Requests

    def _obey(self, state: TrainerState, control: TrainerControl) -> None:
        paused = False
        while True:
            for request in requests.take(self.run.control_dir):
                if request.action == "stop":
                    self.stopping = True
                    self.log.write("status", status="stopping", reason=str(request.fields.get("reason") or ""))
                elif request.action == "pause" and not paused:
                    paused = True
                    self.log.write("status", status="paused", reason="the device's memory is kept")
                elif request.action == "continue" and paused:
                    paused = False
                    self.log.write("status", status="running")
                elif request.action == "save":
                    control.should_save = True
                elif request.action == "evaluate":
                    self._evaluate_now(state)
                elif request.action == "sample":
                    self._sample_now(state, str(request.fields.get("prompt") or self.default_prompt))
            if not paused or self.stopping:
                return
            self._tokens_at = (time.monotonic(), self._trainer.num_tokens)
            time.sleep(PAUSE_POLL_SECONDS)

    def _evaluate_now(self, state: TrainerState) -> None:
        """Evaluate on the side: no other callback hears of it, so patience and best checkpoint stay as they are."""
        trainer = self._trainer
        if trainer.eval_dataset is None:
            self.log.write(
                "notice", level="warning", message="There are no rows to evaluate on.", remedy="set validation_split"
            )
            return
        with untouched_random_state():
            output = trainer.evaluation_loop(
                trainer.get_eval_dataloader(), "evaluation", prediction_loss_only=True, metric_key_prefix="eval"
            )
        self._evaluated = 0
        self._metrics(state, output.metrics, asked_for=True)
        trainer.model.train()
        self.log.write("phase", phase="training", label="")

    def _sample_now(self, state: TrainerState, prompt: str) -> None:
        from tui_finetune.chat.engine import generate_text
        from tui_finetune.chat.sampling import Sampling

        trainer = self._trainer
        with untouched_random_state():
            text = generate_text(
                trainer.model, trainer.processing_class, prompt, Sampling(max_new_tokens=SAMPLE_TOKENS)
            )
        trainer.model.train()
        self.log.write("sample", step=state.global_step, prompt=prompt, text=text)


def _ends_epoch(state: TrainerState) -> bool:
    """Whether the step just done was the last of its epoch."""
    return state.epoch is not None and float(state.epoch).is_integer() and state.global_step > 0
