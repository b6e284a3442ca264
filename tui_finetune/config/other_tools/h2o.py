"""H2O LLM Studio's configurations."""

from __future__ import annotations

from collections.abc import Mapping

from tui_finetune.config.other_tools.conversion import (
    HARDWARE,
    LOGGING,
    SPEED,
    Conversion,
    Reading,
    Rule,
    ignored,
    number,
    read,
    refused,
    silent,
    to,
)
from tui_finetune.config.other_tools.sources import Source, use

NAME = "H2O LLM Studio"

DEFAULTS: Mapping[str, object] = {
    "packing": False,
    "validation_split": 0.01,
    "early_stopping_patience": 0,
    "num_train_epochs": 1,
    "per_device_train_batch_size": 2,
    "gradient_accumulation_steps": 1,
    "learning_rate": 1e-4,
    "lr_scheduler_type": "cosine",
    "warmup_steps": 0,
    "weight_decay": 0.0,
    "max_grad_norm": 0,
    "excess_length_strategy": "truncate",
    "save_strategy": "no",
}
"""What H2O LLM Studio does where its file says nothing."""


def looks_like(values: Mapping[str, object]) -> bool:
    """Whether a file is one of H2O LLM Studio's."""
    parts = {"architecture", "augmentation", "dataset", "environment", "prediction", "tokenizer", "training"}
    return "llm_backbone" in values and len(parts & values.keys()) >= 3


def convert(values: Mapping[str, object]) -> Conversion:
    """Read one of H2O LLM Studio's files."""
    reading = Reading(values)
    _method(reading)
    _data(reading)
    kind = reading.text("problem_type")
    if kind in {"", "text_causal_language_modeling", "causal_language_modeling"}:
        reading.silence("problem_type")
    else:
        reading.refuse("problem_type", f"'{kind}' does not exist here; causal language modeling does")
    unknown = "H2O LLM Studio may know it; it has no counterpart here"
    return read(NAME, reading, TABLE, defaults=DEFAULTS, unknown=unknown)


def _method(reading: Reading) -> None:
    lora, dtype = reading.on("training.lora"), reading.text("architecture.backbone_dtype")
    reading.silence("architecture.backbone_dtype")
    if lora:
        reading.set("training.lora", method="qlora" if dtype == "int4" else "lora")
        if dtype == "int8":
            reading.set("architecture.backbone_dtype", quantization="int8")
    else:
        reading.set("training.lora", method="full")
        if dtype in {"int4", "int8"}:
            reading.refuse("architecture.backbone_dtype", "quantized weights can't be trained themselves")
    targets = reading.text("training.lora_target_modules")
    if lora and targets:
        reading.set("training.lora_target_modules", lora_target_modules=targets.replace(" ", ""))
    if not lora:
        reading.silence(*(key for key in reading.values if key.startswith("training.lora")))


def _data(reading: Reading) -> None:
    if place := reading.text("dataset.train_dataframe"):
        prompt = reading.get("dataset.prompt_column")
        columns = [str(name) for name in prompt] if isinstance(prompt, list) else [str(prompt)] if prompt else []
        if len(columns) > 1:
            reading.refuse("dataset.prompt_column", "a prompt of several columns does not exist here")
        answer = reading.text("dataset.answer_column")
        source = Source(place, prompt_field=columns[0] if columns else None, completion_field=answer or None)
        use(reading, "dataset.train_dataframe", [source])
    strategy = reading.text("dataset.validation_strategy")
    if strategy in {"", "automatic"}:
        share = number(reading.get("dataset.validation_size"))
        reading.set("dataset.validation_size", validation_split=0.01 if share is None else share)
    elif strategy == "none":
        reading.set("dataset.validation_strategy", validation_split=0, eval_strategy="no")
    else:
        reading.refuse("dataset.validation_strategy", "an evaluation set of its own is not supported yet")


def _schedule(reading: Reading, key: str) -> None:
    reading.set(key, lr_scheduler_type=reading.text(key).lower())


def _optimizer(reading: Reading, key: str) -> None:
    name = reading.text(key)
    ours = {"AdamW": "adamw_torch", "AdamW8bit": "adamw_8bit", "Adafactor": "adafactor", "SGD": "sgd", "Adam": None}
    if ours.get(name):
        reading.set(key, optim=ours[name])
    else:
        reading.refuse(key, f"the optimizer '{name}' does not exist here")


TABLE: Mapping[str, Rule] = {
    "llm_backbone": to("model_name_or_path"), "output_directory": to("output_dir"), "experiment_name": silent,
    "architecture.gradient_checkpointing": to("gradient_checkpointing"), "architecture.intermediate_dropout": refused("dropout is that of the model's own configuration"), "architecture.pretrained_weights": refused("weights from another experiment are not read"), "architecture.*": silent,
    "augmentation.neftune_noise_alpha": to("neftune_noise_alpha", lambda value: value or None), "augmentation.skip_parent_probability": refused("leaving out earlier turns does not exist here"), "augmentation.random_parent_probability": refused("random earlier turns do not exist here"), "augmentation.token_mask_probability": refused("masking tokens by chance does not exist here"), "augmentation.*": silent,
    "dataset.mask_prompt_labels": to("completion_only_loss"), "dataset.data_sample": silent, "dataset.*": silent,
    "environment.seed": to("seed"), "environment.mixed_precision": silent, "environment.mixed_precision_dtype": silent, "environment.gpus": ignored(HARDWARE), "environment.*": silent,
    "logging.*": ignored(LOGGING), "prediction.*": silent,
    "tokenizer.max_length": to("max_length"), "tokenizer.tokenizer_kwargs": silent, "tokenizer.*": silent,
    "training.batch_size": to("per_device_train_batch_size"), "training.epochs": to("num_train_epochs"), "training.grad_accumulation": to("gradient_accumulation_steps"), "training.gradient_clip": to("max_grad_norm"), "training.learning_rate": to("learning_rate"),
    "training.weight_decay": to("weight_decay"), "training.warmup_epochs": silent, "training.schedule": _schedule, "training.optimizer": _optimizer, "training.lora_r": to("lora_r"), "training.lora_alpha": to("lora_alpha"), "training.lora_dropout": to("lora_dropout"), "training.use_dora": to("use_dora"), "training.use_rslora": to("use_rslora"),
    "training.loss_function": silent, "training.freeze_layers": refused("freezing chosen layers is unfrozen_layers here"), "training.min_learning_rate_ratio": to("min_lr_rate"), "training.differential_learning_rate*": refused("parts of a model have no learning rate of their own") , "training.use_flash_attention_2": ignored(SPEED), "training.*": silent,
    "hf": silent,
}  # fmt: skip
"""What becomes of each key of H2O LLM Studio's."""
