"""From a RunConfig to transformers' TrainingArguments."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypedDict

from transformers import TrainingArguments

from tui_finetune.config.schema import SFT, RunConfig
from tui_finetune.models.devices import AMPERE, best_device

NEVER = 2**31 - 1
"""A number of steps that no run reaches."""


def training_arguments(
    config: RunConfig,
    checkpoints_dir: Path,
    *,
    precision: str,
    evaluates: bool,
    kind: type[TrainingArguments] = TrainingArguments,
    more: Mapping[str, object] = MappingProxyType({}),
) -> TrainingArguments:
    """The arguments for Trainer.

    What the program does itself is turned off in Trainer: progress bars, deleting of old checkpoints (Trainer goes by
    modification time) and loading the best model at the end (Trainer goes by absolute paths).

    Args:
        config: the resolved configuration.
        checkpoints_dir: where Trainer writes checkpoint-N.
        precision: as it suits the device; in 'pure_bf16' the model itself is in bf16.
        evaluates: whether there are rows to evaluate on.
        kind: the class of the arguments, where the task has its own.
        more: its own arguments.
    """
    import torch

    own: Any = {**_computing(config), **more}
    save_steps = config.save_steps if config.save_strategy == "steps" else NEVER
    arguments = kind(
        output_dir=str(checkpoints_dir),
        num_train_epochs=config.num_train_epochs,
        max_steps=config.max_steps if config.max_steps > 0 else -1,
        per_device_train_batch_size=config.per_device_train_batch_size,
        per_device_eval_batch_size=config.per_device_eval_batch_size,
        gradient_accumulation_steps=config.gradient_accumulation_steps,
        learning_rate=config.learning_rate,
        lr_scheduler_type=config.lr_scheduler_type,
        warmup_steps=config.warmup_steps,
        **_optimizer(config),
        seed=config.seed,
        logging_steps=config.logging_steps,
        logging_nan_inf_filter=False,  # or a run whose loss is not a number any more would log 0.0 and end well
        eval_strategy=config.eval_strategy if evaluates else "no",
        eval_steps=config.eval_steps or config.logging_steps,
        metric_for_best_model="eval_loss" if evaluates and config.eval_strategy != "no" else None,
        # Trainer's 'no' would also forget which step was the best.
        save_strategy="epoch" if config.save_strategy == "epoch" else "steps",
        save_steps=save_steps,
        save_total_limit=None,
        restore_callback_states_from_checkpoint=True,
        bf16=precision == "bf16",
        fp16=precision == "fp16",
        report_to=[] if config.report_to == "none" else [config.report_to],
        remove_unused_columns=False,
        label_names=["labels"],
        dataloader_pin_memory=torch.cuda.is_available(),
        save_only_model=config.save_only_model,
        # gradient_checkpointing is set on the model, where its loading knows it.
        **own,
    )
    return on_one_device(arguments)


class _Optimizer(TypedDict):
    optim: str
    adam_beta1: float
    adam_beta2: float
    adam_epsilon: float


def _optimizer(config: RunConfig) -> _Optimizer:
    # What Trainer doesn't know by its name is made in optimizers.py.
    name = "adamw_torch" if config.optim in ("lion", "muon") else config.optim
    return _Optimizer(
        optim=name, adam_beta1=config.adam_beta1, adam_beta2=config.adam_beta2, adam_epsilon=config.adam_epsilon
    )


def _computing(config: RunConfig) -> dict[str, object]:
    """How is computed, and what Trainer would do besides."""
    return {
        "use_cpu": best_device() == "cpu",
        "dataloader_num_workers": 0,
        "disable_tqdm": True,
        "logging_strategy": "steps",
        "greater_is_better": False,
        "load_best_model_at_end": False,
        "weight_decay": config.weight_decay,
        "max_grad_norm": config.max_grad_norm,
        "neftune_noise_alpha": config.neftune_noise_alpha if config.task == SFT else None,
        "tf32": config.tf32 is not False if rounds_to_tf32() else None,
        "torch_compile": config.torch_compile,
        "use_liger_kernel": config.use_liger_kernel,
        "ddp_timeout": config.ddp_timeout,
        "ddp_find_unused_parameters": False,
    }


def rounds_to_tf32() -> bool:
    """Whether the device can compute products of fp32 in TF32."""
    import torch

    return torch.cuda.is_available() and torch.version.hip is None and torch.cuda.get_device_capability()[0] >= AMPERE


def on_one_device(arguments: TrainingArguments) -> TrainingArguments:
    """The same, for one GPU: with several, Trainer would split each batch over them (DataParallel), so that another
    number of rows makes a step."""
    if arguments.n_gpu > 1:
        arguments._n_gpu = 1
    return arguments
