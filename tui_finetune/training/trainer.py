"""Trainer, with checkpoints that are committed or not there, and losses that are logged exactly across a resume."""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from peft.optimizers import create_loraplus_optimizer
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import DataLoader, Sampler
from transformers import EarlyStoppingCallback, Trainer, TrainingArguments
from transformers.trainer_utils import EvalLoopOutput

from tui_finetune.data.tokens.tokenize import padding_of
from tui_finetune.errors import Notice
from tui_finetune.models.methods.peft_models import as_adapted, load_adapter, save_adapter
from tui_finetune.runs import checkpoints
from tui_finetune.runs.events import CheckpointEvent, PhaseEvent
from tui_finetune.runs.log import EventLog
from tui_finetune.system.files import is_storage_error
from tui_finetune.training.batches import BatchLosses, RememberedRows
from tui_finetune.training.evaluating import LossSum, mean_losses, told_apart
from tui_finetune.training.sampler import GroupedByLength

if TYPE_CHECKING:
    from datasets import Dataset
    from torch.utils.data import Dataset as TorchDataset
    from transformers import PreTrainedModel, PreTrainedTokenizerBase
    from transformers.data.data_collator import DataCollator

    from tui_finetune.data.statistics import RowSources
    from tui_finetune.data.tokens.collate import Batch
    from tui_finetune.models.adapters import BaseModel
    from tui_finetune.runs.values import Fields
    from tui_finetune.training.loss import ChunkedLoss
    from tui_finetune.training.optimizers import ClassAndOptions

LOG_STATE = "log_state.json"
"""The sum of losses since the last logged one. Trainer forgets it, and would log another loss after a resume."""

FREE_BYTES_MARGIN = 64 * 1024 * 1024


class NonFiniteLoss(Exception):
    """The loss is infinite or not a number; ``step`` is the last step before it."""

    def __init__(self, step: int) -> None:
        super().__init__(f"the loss is not a finite number after step {step}")
        self.step = step


class RunTrainer(Trainer):
    """A Trainer that saves safely, counts tokens and ends where the loss is not finite.

    Args:
        model, args, train_dataset, eval_dataset, data_collator, processing_class: as for Trainer.
        event_log: where saving is told.
        facts: what goes into each checkpoint's manifest.
        keep_newest: how many of the newest checkpoints stay.
        patience: that of early stopping.
        eval_average: over what the evaluation loss is the mean: 'tokens' or 'batches'.
        lengths: tokens of each row, where rows of like length are to come in the same batch.
        sources: which rows of the data set each training row is made of.
        evaluated: the data sets that are evaluated on, each with its rows, where their losses are told apart too.
        optimizer: where it is not one that Trainer makes by its name.
        schedule: given the steps of the whole run, tells what the schedule is made with besides the usual.
        loss: computes the loss in the place of the model itself.
        base: the model that the adapter belongs to, where one is trained.
        loraplus_lr_ratio: how many times faster its second matrices learn than its first, where they are to.
        keep_lock: called before each save; raises where the run isn't this process's any more.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        args: TrainingArguments,
        train_dataset: Dataset,
        eval_dataset: Dataset | None,
        data_collator: DataCollator,
        processing_class: PreTrainedTokenizerBase,
        *,
        event_log: EventLog,
        facts: Fields,
        keep_newest: int,
        patience: int,
        eval_average: str = "tokens",
        lengths: npt.NDArray[np.int64] | None = None,
        sources: RowSources | None = None,
        evaluated: Sequence[tuple[str, int]] = (),
        optimizer: ClassAndOptions | None = None,
        schedule: Callable[[int], dict[str, object]] | None = None,
        loss: ChunkedLoss | None = None,
        base: BaseModel | None = None,
        loraplus_lr_ratio: float | None = None,
        keep_lock: Callable[[], None] = lambda: None,
    ) -> None:
        remembered = RememberedRows(train_dataset, padding_of(processing_class))
        self.batch_losses, self.remembered = BatchLosses(remembered, sources), remembered
        self._init_trainer(
            model=model,
            args=args,
            data_collator=data_collator,
            train_dataset=remembered,
            eval_dataset=eval_dataset,
            processing_class=processing_class,
            optimizer_cls_and_kwargs=optimizer,
        )
        self._schedule, self._loss = schedule, loss
        self.language_model, self.tokenizer = model, processing_class
        self.lengths = lengths
        self.base, self.loraplus_lr_ratio = base, loraplus_lr_ratio
        self.keep_lock, self.eval_average = keep_lock, eval_average
        self._told_apart = told_apart(eval_dataset, evaluated)
        self.event_log, self.facts = event_log, facts
        self.keep_newest, self.patience = keep_newest, patience
        self.checkpoints_dir = Path(self.args.output_dir or ".")
        self.last_checkpoint_bytes = self.num_tokens = 0
        self._tokens: torch.Tensor | None = None
        self._bad: torch.Tensor | None = None
        self._answers: tuple[str, ...] = ()

    def _init_trainer(self, **given: object) -> None:
        super().__init__(**given)  # type: ignore[arg-type]

    def create_scheduler(
        self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None
    ) -> torch.optim.lr_scheduler.LRScheduler:
        if self._schedule is not None:
            self.args.lr_scheduler_kwargs = self._schedule(num_training_steps)
        made: torch.optim.lr_scheduler.LRScheduler = super().create_scheduler(num_training_steps, optimizer)
        return made

    def _get_train_sampler(self, train_dataset: TorchDataset[object] | None = None) -> Sampler[int] | None:
        if self.lengths is None:
            return super()._get_train_sampler(train_dataset)
        return GroupedByLength(self.lengths, self.args.train_batch_size, self.args.seed)

    # The end

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to train: all steps are done, or the evaluations got no better for too long."""
        if self.state.global_step >= self.state.max_steps:
            return True
        return any(
            isinstance(callback, EarlyStoppingCallback)
            and callback.early_stopping_patience_counter >= callback.early_stopping_patience
            for callback in self.callback_handler.callbacks
        )

    def _run_epoch(self, *arguments: object, **options: object) -> None:
        """Train an epoch. Trainer takes at least one step of any epoch that it begins, also where a run whose steps are all
        done is resumed, because only its final model is missing."""
        if self.is_over:
            self.control.should_training_stop = True
            return
        super()._run_epoch(*arguments, **options)

    @property
    def taught(self) -> str:
        """What the model is taught: 'turns', or 'text' where it is to go on with one."""
        return "turns" if self.facts.get("data_format") != "text" and self.tokenizer.chat_template else "text"

    # Tokens and losses

    def training_step(
        self, model: torch.nn.Module, inputs: Batch, num_items_in_batch: torch.Tensor | int | None = None
    ) -> torch.Tensor:
        tokens = self._count_tokens(inputs)
        loss: torch.Tensor = super().training_step(model, inputs, num_items_in_batch)
        # Kept on the device: reading them at every step would make it wait.
        tokens = tokens.to(loss.device)
        self._tokens = tokens if self._tokens is None else self._tokens + tokens
        self.batch_losses.add(self.state.global_step + 1, loss.detach())
        bad = ~torch.isfinite(loss)
        self._bad = bad if self._bad is None else self._bad | bad
        return loss

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: Batch,
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> torch.Tensor | tuple[torch.Tensor, dict[str, torch.Tensor]]:
        if self._loss is None:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        with self.accelerator.autocast():
            loss = self._loss(inputs, num_items_in_batch if self.model_accepts_loss_kwargs else None)
        return (loss, {"loss": loss}) if return_outputs else loss

    def _count_tokens(self, inputs: Batch) -> torch.Tensor:  # without padding
        mask, input_ids = inputs.get("attention_mask"), inputs.get("input_ids")
        if mask is not None or input_ids is None:
            return torch.tensor(0) if mask is None else mask.sum()
        pad = getattr(self.processing_class, "pad_token_id", None)
        if pad is None or pad == getattr(self.processing_class, "eos_token_id", None):
            return torch.tensor(input_ids.numel())
        unpadded: torch.Tensor = input_ids != pad
        return unpadded.sum()

    def tokens_seen(self) -> int:
        """Tokens trained on so far in this run, padding left out. Waits for the device."""
        if self._tokens is not None:
            self.num_tokens += int(self._tokens.item())
            self._tokens = None
        return self.num_tokens

    def forget_measured(self) -> None:
        """Forget what was measured of a batch that was only tried."""

    def check_finite(self) -> None:
        """Raise NonFiniteLoss where a loss since the last look was not finite. Waits for the device."""
        if self._bad is not None and bool(self._bad.item()):
            raise NonFiniteLoss(self.state.global_step - 1)
        self._bad = None

    # Evaluation

    def evaluation_loop(
        self,
        dataloader: DataLoader[Batch],
        description: str,
        prediction_loss_only: bool | None = None,
        ignore_keys: list[str] | None = None,
        metric_key_prefix: str = "eval",
    ) -> EvalLoopOutput:
        """The evaluation loss: the mean over all tokens, summed in float64, so that it depends neither on the batch size nor
        on packing; or Trainer's mean over batches, where that is asked for."""
        if self._evaluates_as_trainer:
            return super().evaluation_loop(
                dataloader, description, prediction_loss_only, ignore_keys, metric_key_prefix
            )
        self.language_model.eval()
        self.callback_handler.eval_dataloader = dataloader

        def loss_of(inputs: Batch) -> torch.Tensor | None:
            loss, _, _ = self.prediction_step(self.language_model, inputs, prediction_loss_only=True)
            self.control = self.callback_handler.on_prediction_step(self.args, self.state, self.control)
            return loss

        sources = self._by_source(dataloader)
        metrics, rows = mean_losses(sources, loss_of, self._new_sum, metric_key_prefix, self._of_all)
        return EvalLoopOutput(predictions=np.empty(0), label_ids=None, metrics=metrics, num_samples=rows)

    def _by_source(self, dataloader: DataLoader[Batch]) -> Iterator[tuple[str, Iterable[Batch]]]:
        """The batches of each data set that is evaluated on, under its name; all of them where they are not told apart."""
        yield from ((name, self.get_eval_dataloader(rows)) for name, rows in self._told_apart)
        if not self._told_apart:
            yield "", dataloader

    @property
    def _evaluates_as_trainer(self) -> bool:
        return self.eval_average == "batches"

    def _new_sum(self) -> LossSum:
        # Apple's GPUs compute in no format of 64 bits.
        device = torch.device("cpu") if self.args.device.type == "mps" else self.args.device
        return LossSum(device, by_batch=self.eval_average == "batches")

    def _of_all(self, own: LossSum) -> LossSum:
        return own  # there is one process

    def create_optimizer(self, model: torch.nn.Module | None = None) -> torch.optim.Optimizer:
        """With LoRA+ the second matrices of an adapter learn faster than the first."""
        adapted = as_adapted(self.model)
        if self.optimizer is None and self.loraplus_lr_ratio is not None and adapted is not None:
            kind, options = self.optimizer_cls_and_kwargs or self.get_optimizer_cls_and_kwargs(self.args)
            self.optimizer = create_loraplus_optimizer(
                adapted,
                kind,
                loraplus_lr_ratio=self.loraplus_lr_ratio,
                loraplus_weight_decay=self.args.weight_decay,  # peft's own default is none
                **options,
            )
        made: torch.optim.Optimizer = super().create_optimizer()
        return made

    # Checkpoints

    def _save_checkpoint(self, model: torch.nn.Module, trial: object) -> None:
        """Save and commit. A save that fails is told and leaves nothing; the training goes on."""
        step = self.state.global_step
        folder = self.checkpoints_dir / f"{checkpoints.PREFIX}{step}"
        self.keep_lock()
        answers, self._answers = self._answers, ()
        if (folder / checkpoints.MANIFEST).exists():
            if answers:
                self.event_log.notice(Notice("info", f"Step {step} is saved already."), answers=answers)
            return
        self.check_finite()
        self.event_log.write(PhaseEvent("saving", f"Saving step {step}"))
        began = time.monotonic()
        try:
            if folder.is_symlink():
                raise OSError(f"{folder} is a link, and a run's files must lie in its own directory")
            self._check_space()
            super()._save_checkpoint(model, None)
            # A pickle of the arguments that nothing here reads; it may hold a token.
            (folder / "training_args.bin").unlink(missing_ok=True)
            (folder / LOG_STATE).write_text(json.dumps(self._log_state()))
            size = checkpoints.commit(folder, self.facts)
        except Exception as error:
            # A full disk is an OSError, a RuntimeError from torch or a SafetensorError, as it comes.
            shutil.rmtree(folder, ignore_errors=True)  # which follows no link
            if not is_storage_error(error):
                raise
            remedy = "free some space; the training goes on and the next save is tried"
            self.event_log.notice(Notice("error", f"Step {step} could not be saved: {error}", remedy), answers=answers)
        else:
            self.last_checkpoint_bytes = size
            best = self.state.best_global_step
            # What can't be deleted now is deleted after the next save.
            with contextlib.suppress(OSError):
                checkpoints.prune(self.checkpoints_dir, self.keep_newest, best)
            seconds = round(time.monotonic() - began, 3)
            path = f"checkpoints/{folder.name}"
            self.event_log.write(CheckpointEvent(step, path, seconds, size, best == step, answers=answers))
        self.event_log.write(PhaseEvent("training"))

    def _save(self, output_dir: str | None = None, state_dict: dict[str, torch.Tensor] | None = None) -> None:
        """Of an adapter only itself, with the name of the model it belongs to."""
        adapted = as_adapted(self.model)
        if adapted is None or self.base is None:
            super()._save(output_dir, state_dict)
            return
        folder = Path(output_dir or self.checkpoints_dir)
        folder.mkdir(parents=True, exist_ok=True)
        save_adapter(adapted, folder, self.base)
        self.tokenizer.save_pretrained(folder)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: torch.nn.Module | None = None) -> None:
        adapted = as_adapted(self.model)
        if adapted is None:
            super()._load_from_checkpoint(resume_from_checkpoint, model)
        else:
            load_adapter(adapted, Path(resume_from_checkpoint))

    def answer_with_next_save(self, ids: tuple[str, ...]) -> None:
        """The next checkpoint is what these requests asked for."""
        self._answers += ids

    def _check_space(self) -> None:
        free = shutil.disk_usage(self.checkpoints_dir).free
        needed = self.last_checkpoint_bytes + FREE_BYTES_MARGIN
        if free < needed:
            raise OSError(f"only {free / 1e9:.2f} GB are free, {needed / 1e9:.2f} GB are needed")

    def _log_state(self) -> dict[str, object]:
        return {
            "tr_loss": self._tr_loss.item(),
            "last_logged_step": self._globalstep_last_logged,
            "num_tokens": self.tokens_seen(),
            "total_loss": self._total_loss_scalar,
        }

    def take_up_settings(self) -> None:
        """Continue with the settings of now, where Trainer takes those of the checkpoint. To be called when the training
        begins; where no setting was changed it changes nothing."""
        self.state.compute_steps(self.args, self.state.max_steps)
        for callback in self.callback_handler.callbacks:
            if isinstance(callback, EarlyStoppingCallback):
                callback.early_stopping_patience = self.patience
                # Trainer fails on saving one that the checkpoint doesn't know.
                known = self.state.stateful_callbacks
                assert isinstance(known, dict)
                known.setdefault(type(callback).__name__, callback.state())
        scheduler = getattr(self.lr_scheduler, "scheduler", self.lr_scheduler)
        if isinstance(scheduler, LambdaLR):
            # At the end of a linear schedule the rate is 0, and the first step of an extended run would be lost.
            rates = [
                base * factor(scheduler.last_epoch)
                for base, factor in zip(scheduler.base_lrs, scheduler.lr_lambdas, strict=True)
            ]
            scheduler._last_lr = rates
            assert self.optimizer is not None
            for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
                group["lr"] = rate

    def restore_log_state(self, checkpoint: Path) -> None:
        """Continue adding up losses where the checkpoint was saved. To be called when the training begins."""
        try:
            state = json.loads((checkpoint / LOG_STATE).read_bytes())
        except (OSError, ValueError):
            return
        self._tr_loss += state["tr_loss"]
        self._globalstep_last_logged = state["last_logged_step"]
        self.num_tokens = state["num_tokens"]
        self.last_checkpoint_bytes = sum(p.stat().st_size for p in checkpoint.rglob("*") if p.is_file())
