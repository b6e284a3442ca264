"""Trainer as one of several processes: it computes its own rows, and what is written or decided is the same on all."""

from __future__ import annotations

import contextlib
import json
import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from accelerate.data_loader import SeedableRandomSampler  # type: ignore[import-untyped]
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader
from transformers.trainer_pt_utils import safe_globals
from transformers.trainer_utils import SaveStrategy

from tui_finetune.data.tokens.pack import IGNORED
from tui_finetune.training.batches import RememberedRows
from tui_finetune.training.evaluating import LossSum
from tui_finetune.training.ranks import OtherFailed, Ranks
from tui_finetune.training.rng import seed_rank
from tui_finetune.training.sharing import Order, SharedBatches, SharedLoader, evaluated_batches
from tui_finetune.training.trainer import LOG_STATE, NonFiniteLoss, RunTrainer

if TYPE_CHECKING:
    from datasets import Dataset

    from tui_finetune.data.tokens.collate import Batch

RandomState = Mapping[str, object]


class SharedTrainer(RunTrainer):
    """A RunTrainer that is one of several.

    The first of them writes checkpoints, with the random state of each in them; all learn how that went. Losses and
    counts are those of all. `ranks` is to be set before it trains.
    """

    ranks: Ranks
    _random_states: list[RandomState]
    _losses_so_far: list[float]
    _evaluates = False

    # Data

    def get_train_dataloader(self) -> DataLoader[Batch]:
        rows = cast("RememberedRows", self.train_dataset)
        order = self._order(rows)
        batches = SharedBatches(order, len(rows), self.args.train_batch_size, self.ranks.rank, self.ranks.size)
        return SharedLoader(
            rows,  # type: ignore[arg-type]
            batch_sampler=batches,
            collate_fn=self.data_collator,
            pin_memory=self.args.dataloader_pin_memory,
        )

    def _order(self, rows: RememberedRows) -> Order:
        """The order that one process alone would take, which accelerate makes of Trainer's."""
        if self.lengths is not None:
            grouped = self._get_train_sampler(rows)
            assert grouped is not None
            return grouped  # type: ignore[return-value]
        order: Order = SeedableRandomSampler(rows, generator=torch.Generator(), data_seed=self.args.seed)
        return order

    def get_eval_dataloader(self, eval_dataset: object = None) -> DataLoader[Batch]:
        rows = cast("Dataset", self.eval_dataset if eval_dataset is None else eval_dataset)
        batches = evaluated_batches(len(rows), self.args.eval_batch_size, self.ranks.rank, self.ranks.size)
        return DataLoader(rows, batch_sampler=batches, collate_fn=self.data_collator)

    # Losses

    def compute_loss(
        self,
        model: torch.nn.Module,
        inputs: Batch,
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> torch.Tensor | tuple[torch.Tensor, dict[str, torch.Tensor]]:
        if model.training and not self.model_accepts_loss_kwargs and bool((inputs["labels"] == IGNORED).all()):
            # Rows that only fill up: of a mean over no tokens nothing may remain, neither in the loss nor in gradients.
            inputs = {**inputs, "labels": inputs["input_ids"].clone()}
            loss = super().compute_loss(model, inputs, False, num_items_in_batch)
            assert isinstance(loss, torch.Tensor)
            return loss * 0.0
        if self._loss is None or not isinstance(model, DistributedDataParallel):
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        chunked, items = self._loss, num_items_in_batch if self.model_accepts_loss_kwargs else None

        def forward(**given: torch.Tensor) -> torch.Tensor:
            with self.accelerator.autocast():
                return chunked(given, items)

        # Only what goes through the wrapper has its gradients averaged; so it calls this in the model's place.
        with _forward_of(model.module, forward):
            loss = model(**inputs)
        if items is not None:
            loss = loss * self.ranks.size  # as Trainer does: the mean of the gradients is to be their sum
        return (loss, {"loss": loss}) if return_outputs else loss

    def _count_tokens(self, inputs: Batch) -> torch.Tensor:
        real = self.batch_losses.real_rows
        return super()._count_tokens({name: tensor[:real] for name, tensor in inputs.items()})

    def tokens_seen(self) -> int:
        if self._tokens is not None:
            self.num_tokens += sum(self.ranks.gather(int(self._tokens.item())))
            self._tokens = None
        return self.num_tokens

    def check_finite(self) -> None:
        if self._bad is not None and any(self.ranks.agree(bool(self._bad.item()))):
            raise NonFiniteLoss(self.state.global_step - 1)
        self._bad = None

    def store_flos(self) -> None:
        """Count them without asking the others, since only the first one writes them."""
        self.state.total_flos += self.current_flos * self.ranks.size
        self.current_flos = 0

    # Evaluation

    def _get_num_items_in_batch(self, batch_samples: list[Batch], device: torch.device) -> torch.Tensor | int | None:
        if self._evaluates:
            return None  # each evaluates batches of its own, and as many as there are for it: nothing is to be asked of others
        items: torch.Tensor | int | None = super()._get_num_items_in_batch(batch_samples, device)
        return items

    def prediction_step(
        self,
        model: torch.nn.Module,
        inputs: Batch,
        prediction_loss_only: bool,
        ignore_keys: list[str] | None = None,
    ) -> tuple[torch.Tensor | None, torch.Tensor | None, torch.Tensor | None]:
        self._evaluates = True
        try:
            return super().prediction_step(model, inputs, prediction_loss_only, ignore_keys)
        finally:
            self._evaluates = False

    @property
    def _evaluates_as_trainer(self) -> bool:
        return False  # its loop repeats rows where they don't divide

    def _of_all(self, own: LossSum) -> LossSum:
        whole = self._new_sum()
        for numbers in self.ranks.gather(
            own.numbers()
        ):  # in the same order on all, so that all get the same to the last bit
            whole.include_numbers(*numbers)
        return whole

    # Checkpoints

    def _save_checkpoint(self, model: torch.nn.Module, trial: object) -> None:
        """The first one saves, with what the others know; a save that fails is told and the training goes on, on all."""
        self.check_finite()
        self.tokens_seen()
        states = self.ranks.gather((_random_state(), float(self._tr_loss.item())))
        self._random_states = [state for state, _ in states]
        self._losses_so_far = [loss for _, loss in states]
        failed: Exception | None = None
        if self.ranks.is_first:
            try:
                with self._without_barrier():
                    super()._save_checkpoint(model, trial)
            except Exception as error:
                failed = error
        words = self.ranks.share("" if failed is None else f"{type(failed).__name__}: {failed}")
        if failed is not None:
            raise failed
        if words:
            raise OtherFailed(f"rank 0: {words}")

    @contextlib.contextmanager
    def _without_barrier(self) -> Iterator[None]:
        """Keep Trainer from waiting for the others in the middle of saving, where one that fails would let them wait for
        ever. It does so to find out where the best checkpoint is, which is done here."""
        best = self.state.best_global_step
        if best:
            folder = self.checkpoints_dir / f"checkpoint-{best}"
            if folder.exists() or best == self.state.global_step:
                self.state.best_model_checkpoint = str(folder)
        strategy, self.args.save_strategy = self.args.save_strategy, SaveStrategy.NO
        try:
            yield
        finally:
            self.args.save_strategy = strategy

    def _save_rng_state(self, output_dir: str) -> None:
        folder = Path(output_dir)
        folder.mkdir(parents=True, exist_ok=True)
        for rank, state in enumerate(self._random_states):
            torch.save(state, folder / f"rng_state_{rank}.pth")
        # So that the run can be resumed on one process.
        torch.save(self._random_states[0], folder / "rng_state.pth")

    def _load_rng_state(self, checkpoint: str | None) -> None:
        if checkpoint is None:
            return
        rank = self.ranks.rank
        name = f"rng_state_{rank}.pth"
        if rank == 0 and not (Path(checkpoint) / name).is_file():
            name = "rng_state.pth"
        if not (Path(checkpoint) / name).is_file():  # it was saved by fewer processes
            seed_rank(self.args.seed + self.state.global_step, rank)
            return
        with safe_globals():
            state = torch.load(Path(checkpoint) / name, weights_only=True)
        random.setstate(state["python"])
        np.random.set_state(state["numpy"])
        torch.set_rng_state(state["cpu"])
        if torch.cuda.is_available() and "cuda" in state:
            torch.cuda.set_rng_state(state["cuda"])

    def _log_state(self) -> dict[str, object]:
        losses = self._losses_so_far
        return {**super()._log_state(), "tr_loss": sum(losses) / len(losses), "tr_losses": losses}

    def restore_log_state(self, checkpoint: Path) -> None:
        before = self._tr_loss.clone()
        super().restore_log_state(checkpoint)
        with contextlib.suppress(OSError, ValueError):
            losses = json.loads((checkpoint / LOG_STATE).read_bytes()).get("tr_losses")
            if isinstance(losses, list) and len(losses) == self.ranks.size:
                self._tr_loss.copy_(before + losses[self.ranks.rank])


def _random_state() -> RandomState:
    """The random state of this process, in the form that Trainer saves for one process."""
    state: dict[str, object] = {
        "python": random.getstate(),
        "numpy": np.random.get_state(),
        "cpu": torch.get_rng_state(),
    }
    return state | ({"cuda": torch.cuda.get_rng_state()} if torch.cuda.is_available() else {})


@contextlib.contextmanager
def _forward_of(module: torch.nn.Module, forward: object) -> Iterator[None]:
    """Within it a module computes something else."""
    own = vars(module).get("forward")
    vars(module)["forward"] = forward
    try:
        yield
    finally:
        if own is None:
            del vars(module)["forward"]
        else:
            vars(module)["forward"] = own
