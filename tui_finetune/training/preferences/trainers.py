"""TRL's trainers of preferences, with the saving, resuming and counting of every run."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch.utils.data import DataLoader
from transformers import Trainer, TrainingArguments
from transformers.trainer_utils import EvalLoopOutput
from trl import DPOConfig, DPOTrainer, KTOConfig, KTOTrainer
from trl.experimental.orpo import ORPOConfig, ORPOTrainer

from tui_finetune.config.schema import RunConfig
from tui_finetune.models.methods.peft_models import as_adapted
from tui_finetune.training.batches import RememberedRows
from tui_finetune.training.trainer import LOG_STATE, RunTrainer

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from tui_finetune.data.tokens.collate import Batch

Window = dict[str, list[float]]
"""What was measured of each batch since it was logged last, by name."""

REFERENCE = "ref"
"""The adapter that TRL adds to compare with: a copy of the one that is trained, as it begins."""


class PreferenceTrainer(RunTrainer):
    """What the trainers of all preference tasks have in common; to be combined with one of TRL's."""

    arguments: ClassVar[type[TrainingArguments]]

    @classmethod
    def more(cls, config: RunConfig, pad: int) -> Mapping[str, object]:
        """The arguments of its own that a run's settings give; `pad` is the token that is padded with."""
        # What is set on the model, or was seen to in preparing the data, TRL is not to do again.
        return {"gradient_checkpointing": False, "max_length": None, "beta": config.beta}

    def _init_trainer(self, **given: object) -> None:
        remembered, optimizer = given.pop("train_dataset"), given.pop("optimizer_cls_and_kwargs")
        model: Any = given["model"]
        tokenizer: Any = given["processing_class"]
        assert isinstance(remembered, RememberedRows)
        _without_attention_dropout(model)
        with _left_alone(model, tokenizer):
            super()._init_trainer(**given, **self._reference(given), train_dataset=self._as_taken(remembered.rows))
        remembered.rows = self._as_given(self.train_dataset)
        kept: Any = optimizer
        self.train_dataset, self.optimizer_cls_and_kwargs = remembered, kept

    def _reference(self, given: Mapping[str, object]) -> dict[str, object]:
        """What the model is compared with, as an argument: a frozen copy of it. With an adapter nothing, since the model
        without it is what it was; nor where the copy's numbers are computed beforehand."""
        arguments: Any = given["args"]
        model: Any = given["model"]
        if as_adapted(model) is not None or arguments.precompute_ref_log_probs:
            return {}
        return {"ref_model": copy.deepcopy(model).eval().requires_grad_(False)}

    def _as_taken(self, rows: Dataset) -> object:
        """The rows in the form in which TRL's trainer takes them."""
        return rows

    def _as_given(self, rows: object) -> Dataset:
        """The rows as they are, of what `_as_taken` made of them."""
        return rows

    # What TRL would do besides

    def _prepare_dataset(self, dataset: Dataset, *arguments: object) -> Dataset:
        return dataset  # of tokens already

    def _send_telemetry(self) -> None:
        """Nothing is told to anybody."""

    def create_model_card(self, *arguments: object, **options: object) -> None:
        """A run has its own, with its final model."""

    # What is measured beside the loss

    @property
    def _windows(self) -> dict[str, Window]:
        """What was measured, for 'train' and 'eval'."""
        trainer: Any = self  # where TRL's trainers keep it
        windows: dict[str, Window] = trainer._metrics
        return windows

    def _take(self, mode: str) -> dict[str, float]:
        """The means of what was measured since the last time, by name."""
        window = self._windows[mode]
        # Tokens are counted for all tasks alike.
        means = {
            name.removeprefix("eval_"): sum(values) / len(values)
            for name, values in window.items()
            if values and name != "num_tokens"
        }
        window.clear()
        return means

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Log, with the means of what was measured where it is the training loss. TRL's own log goes by whether the model
        is in training now."""
        measured = self._take("train") if "loss" in logs else {}
        Trainer.log(self, {**logs, **measured}, start_time)

    def evaluation_loop(
        self,
        dataloader: DataLoader[Batch],
        description: str,
        prediction_loss_only: bool | None = None,
        ignore_keys: list[str] | None = None,
        metric_key_prefix: str = "eval",
    ) -> EvalLoopOutput:
        """As of every run, with what is measured beside the loss, also where the evaluation was asked for."""
        self._windows["eval"].clear()
        output = super().evaluation_loop(dataloader, description, prediction_loss_only, ignore_keys, metric_key_prefix)
        measured = {f"{metric_key_prefix}_{name}": value for name, value in self._take("eval").items()}
        return output._replace(metrics={**(output.metrics or {}), **measured})

    def _count_tokens(self, inputs: Batch) -> torch.Tensor:
        masks = [
            mask for name, mask in inputs.items() if name.endswith("attention_mask") and not name.startswith("KL_")
        ]
        return torch.stack([mask.sum() for mask in masks]).sum()

    def _log_state(self) -> dict[str, object]:
        return {**super()._log_state(), "window": dict(self._windows["train"])}

    def restore_log_state(self, checkpoint: Path) -> None:
        super().restore_log_state(checkpoint)
        try:
            window = json.loads((checkpoint / LOG_STATE).read_bytes())["window"]
        except (OSError, ValueError, KeyError):
            return
        self._windows["train"].update(window)


class RunDPO(PreferenceTrainer, DPOTrainer):
    """Direct preference optimization."""

    arguments = DPOConfig

    @classmethod
    def more(cls, config: RunConfig, pad: int) -> Mapping[str, object]:
        own = {"loss_type": [config.loss_type], "precompute_ref_log_probs": config.precompute_ref_log_probs}
        return {**super().more(config, pad), **own}


class RunKTO(PreferenceTrainer, KTOTrainer):
    """Kahneman-Tversky optimization."""

    arguments = KTOConfig

    @classmethod
    def more(cls, config: RunConfig, pad: int) -> Mapping[str, object]:
        own = {"desirable_weight": config.desirable_weight, "undesirable_weight": config.undesirable_weight}
        return {**super().more(config, pad), **own}

    def _init_trainer(self, **given: object) -> None:
        super()._init_trainer(**given)
        # TRL needs the rows in one order for the pairs that are made of them beforehand; here they are made of each batch.
        self.args.train_sampling_strategy = "random"


class RunORPO(PreferenceTrainer, ORPOTrainer):
    """Odds ratio preference optimization."""

    arguments = ORPOConfig

    @classmethod
    def more(cls, config: RunConfig, pad: int) -> Mapping[str, object]:
        # Nothing is cut off by it: the rows are short enough.
        return {**super().more(config, pad), "max_length": 1, "padding_value": pad}

    def _init_trainer(self, **given: object) -> None:
        rows = given["eval_dataset"]
        super()._init_trainer(**{**given, "eval_dataset": None if rows is None else _Unmapped(rows)})
        self.eval_dataset = rows
        self.use_dpo_data_collator = True  # as far as its warnings are concerned

    def _reference(self, given: Mapping[str, object]) -> dict[str, object]:
        return {}

    def _as_taken(self, rows: Dataset) -> object:
        return _Unmapped(rows)

    def _as_given(self, rows: object) -> Dataset:
        assert isinstance(rows, _Unmapped)
        return rows.rows

    @property
    def _windows(self) -> dict[str, Window]:
        trainer: Any = self
        windows: dict[str, Window] = trainer._stored_metrics
        return windows


class _Unmapped(torch.utils.data.Dataset[object]):
    """Rows that stay as they are, whatever is mapped over them: ORPO's trainer would make tokens of text.

    Args:
        rows: the rows, of tokens.
    """

    def __init__(self, rows: Dataset) -> None:
        self.rows = rows

    def map(self, *arguments: object, **options: object) -> _Unmapped:
        """Itself."""
        return self

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, row: int) -> object:
        return self.rows[row]


def _without_attention_dropout(model: PreTrainedModel) -> None:
    """TRL trains without dropout, so that a model that has learned nothing yet is equal to what it is compared with. The
    attention of many models has a dropout that is no layer, and that TRL doesn't see."""
    for module in model.modules():
        if isinstance(getattr(module, "attention_dropout", None), float):
            setattr(module, "attention_dropout", 0.0)  # noqa: B010  (mypy takes a module's attributes for tensors)


@contextmanager
def _left_alone(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> Iterator[None]:
    """Puts back what TRL's trainers change in what they are given: the padding token in tokenizer and model, which would
    stand in what is saved; the number format of an adapter on a packed model, whose updates bf16 would lose; and the second
    adapter that they compare with, where the first begins as nothing: the model without it is the same then. Where an adapter
    is trained further, the second one stays, and is never trained."""
    configs: list[Any] = [model.config.get_text_config(), model.generation_config]
    pads = [getattr(config, "pad_token_id", None) for config in configs]
    pad = tokenizer.pad_token
    weights = {name: weight.data for name, weight in model.named_parameters() if weight.requires_grad}
    yield
    tokenizer.pad_token = pad
    for config, token in zip(configs, pads, strict=True):
        if config is not None:
            config.pad_token_id = token
    adapted = as_adapted(model)
    if adapted is not None and REFERENCE in adapted.peft_config:
        copied = {name: weight for name, weight in model.named_parameters() if f".{REFERENCE}." in name}
        if all(not weight.any() for name, weight in copied.items() if "lora_B" in name):
            adapted.delete_adapter(REFERENCE)
        for weight in copied.values():
            weight.requires_grad_(False)
    for name, weight in model.named_parameters():
        if name in weights:
            weight.data = weights[name]


TRAINERS: Mapping[str, type[PreferenceTrainer]] = MappingProxyType({"dpo": RunDPO, "kto": RunKTO, "orpo": RunORPO})
"""What trains for each task."""
