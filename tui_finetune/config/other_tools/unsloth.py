"""Unsloth Studio's configurations."""

from __future__ import annotations

from collections.abc import Mapping

from tui_finetune.config.other_tools.conversion import (
    LOGGING,
    SPEED,
    Conversion,
    Reading,
    Rule,
    ignored,
    is_off,
    number,
    read,
    refused,
    silent,
    to,
)
from tui_finetune.config.other_tools.sources import Source, use

NAME = "Unsloth Studio"

DEFAULTS: Mapping[str, object] = {
    "packing": False,
    "validation_split": 0,
    "eval_strategy": "no",
    "early_stopping_patience": 0,
    "max_length": 2048,
    "learning_rate": 2e-4,
    "lr_scheduler_type": "linear",
    "weight_decay": 0.001,
    "warmup_steps": 5,
    "optim": "adamw_8bit",
    "per_device_train_batch_size": 2,
    "gradient_accumulation_steps": 4,
    "logging_steps": 1,
    "save_strategy": "no",
    "excess_length_strategy": "truncate",
    "completion_only_loss": False,
    "assistant_only_loss": False,
    "seed": 3407,
}
"""What Unsloth Studio does where its file says nothing."""


def looks_like(values: Mapping[str, object]) -> bool:
    """Whether a file is one of Unsloth Studio's."""
    training = values.get("training")
    own = {"training_type", "max_seq_length", "num_epochs", "random_seed", "train_on_completions"}
    return isinstance(training, Mapping) and len(own & training.keys()) >= 2


def convert(values: Mapping[str, object]) -> Conversion:
    """Read one of Unsloth Studio's files."""
    reading = Reading(values)
    kind = reading.text("training.training_type").lower() or "lora"
    four = reading.on("training.load_in_4bit")
    reading.silence("training.load_in_4bit")
    if kind in {"lora", "qlora", "lora/qlora"}:
        reading.set("training.training_type", method="qlora" if four or kind == "qlora" else "lora")
    elif kind in {"full", "full finetuning"}:
        reading.set("training.training_type", method="full")
        reading.silence(*(key for key in reading.values if key.startswith("lora.")))
    else:
        reading.refuse("training.training_type", f"'{kind}' does not exist here; full and lora do")
    if data := reading.text("data.dataset") or reading.text("data.local_datasets"):
        key = "data.dataset" if reading.text("data.dataset") else "data.local_datasets"
        use(reading, key, [Source(data)])
    _length(reading)
    unknown = "Unsloth Studio may know it; it has no counterpart here"
    return read(NAME, reading, TABLE, defaults=DEFAULTS, unknown=unknown)


def _length(reading: Reading) -> None:
    """Zero steps or epochs mean that the other counts."""
    steps, epochs = number(reading.get("training.max_steps")) or 0, number(reading.get("training.num_epochs")) or 0
    if steps > 0:
        reading.set("training.max_steps", max_steps=int(steps))
        reading.silence("training.num_epochs")
    elif epochs > 0:
        reading.set("training.num_epochs", num_train_epochs=epochs)
        reading.silence("training.max_steps")
    if saves := number(reading.get("training.save_steps")):
        reading.set("training.save_steps", save_strategy="steps", save_steps=int(saves))
    else:
        reading.silence("training.save_steps")


def _format(reading: Reading, key: str) -> None:
    given = reading.text(key).lower()
    ours = {"alpaca": "alpaca", "chatml": "messages", "sharegpt": "sharegpt", "raw": "text", "text": "text"}
    if given in {"auto", ""}:
        reading.silence(key)
    elif given in ours:
        reading.set(key, dataset_format=ours[given])
    else:
        reading.refuse(key, f"the format '{given}' does not exist here")


def _completions(reading: Reading, key: str) -> None:
    on = not is_off(reading.values[key])
    reading.set(key, completion_only_loss=on, assistant_only_loss=on)


def _targets(reading: Reading, key: str) -> None:
    given = reading.values[key]
    names = given if isinstance(given, list) else [part for part in str(given).split(",") if part.strip()]
    if names:
        reading.set(key, lora_target_modules=",".join(str(name).strip() for name in names))


_IMAGES = "models that read images or sound can't be trained here"
TABLE: Mapping[str, Rule] = {
    "model": to("model_name_or_path"), "model_name": to("model_name_or_path"), "data.format_type": _format, "data.*": silent,
    "training.max_seq_length": to("max_length"), "training.learning_rate": to("learning_rate"), "training.batch_size": to("per_device_train_batch_size"),
    "training.gradient_accumulation_steps": to("gradient_accumulation_steps"), "training.warmup_steps": to("warmup_steps"), "training.warmup_ratio": to("warmup_steps"),
    "training.weight_decay": to("weight_decay"), "training.random_seed": to("seed"), "training.packing": to("packing"), "training.train_on_completions": _completions,
    "training.gradient_checkpointing": to("gradient_checkpointing", lambda value: not is_off(value)), "training.optim": to("optim"), "training.lr_scheduler_type": to("lr_scheduler_type"), "training.output_dir": to("output_dir"),
    "training.trust_remote_code": ignored("program code of models is never run"), "training.eval_steps": silent, "training.is_vision": refused(_IMAGES), "training.vision*": silent, "training.use_*": ignored(SPEED),
    "lora.lora_r": to("lora_r"), "lora.lora_alpha": to("lora_alpha"), "lora.lora_dropout": to("lora_dropout"), "lora.target_modules": _targets, "lora.use_rslora": to("use_rslora"), "lora.use_dora": to("use_dora"),
    "lora.use_loftq": refused("this way to initialize an adapter does not exist here"), "lora.*": silent,
    "logging.enable_wandb": to("report_to", lambda value: "none" if is_off(value) else "wandb"), "logging.enable_tensorboard": ignored(LOGGING), "logging.log_frequency": to("logging_steps"), "logging.*": silent, "inference.*": silent,
    "audio_input": refused(_IMAGES), "audio_type": refused(_IMAGES), "is_vision": refused(_IMAGES),
}  # fmt: skip
"""What becomes of each key of Unsloth Studio's."""
