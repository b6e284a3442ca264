"""TRL's configurations for `trl sft`, `trl dpo` and `trl kto`: its names are ours, its defaults are not."""

from __future__ import annotations

from collections.abc import Mapping

from tui_finetune.config.other_tools.conversion import (
    HARDWARE,
    HUB,
    LOGGING,
    SPEED,
    Conversion,
    Reading,
    Rule,
    ignored,
    read,
    refused,
    silent,
    to,
)
from tui_finetune.config.other_tools.preferences import trl_task
from tui_finetune.config.other_tools.sources import Source, text_of, use

NAME = "TRL"

DEFAULTS: Mapping[str, object] = {
    "packing": False,
    "validation_split": 0,
    "eval_strategy": "no",
    "early_stopping_patience": 0,
    "num_train_epochs": 3,
    "per_device_train_batch_size": 8,
    "gradient_accumulation_steps": 1,
    "learning_rate": 2e-5,
    "lr_scheduler_type": "linear",
    "warmup_steps": 0,
    "weight_decay": 0.0,
    "max_length": 1024,
    "excess_length_strategy": "truncate",
    "gradient_checkpointing": True,
    "save_strategy": "steps",
    "save_steps": 500,
    "logging_steps": 10,
}
"""What `trl sft` does where its file says nothing."""

_OWN = {
    "use_peft", "lora_task_type", "torch_dtype", "dtype", "dataset_mixture", "model_init_kwargs",
    "dataset_test_split", "dataset_num_proc", "dataset_streaming", "dataset_kwargs", "packing_strategy", "padding_free",
    "push_to_hub", "hub_model_id", "gradient_checkpointing_kwargs", "env", "eos_token", "use_bnb_nested_quant",
    "bnb_4bit_quant_type", "trust_remote_code", "activation_offloading", "deepspeed", "fsdp",
}  # fmt: skip
"""Keys of TRL and Trainer that are none of ours."""


def looks_like(values: Mapping[str, object]) -> bool:
    """Whether a file is one of TRL's; one that has only names that are ours too is read as ours."""
    listed = values.get("datasets")
    theirs = isinstance(listed, list) and any(isinstance(entry, Mapping) and "path" in entry for entry in listed)
    return "model_name_or_path" in values and (bool(_OWN & values.keys()) or theirs)


def convert(values: Mapping[str, object]) -> Conversion:
    """Read one of TRL's files."""
    reading = Reading(values, whole=("datasets", "dataset_mixture", "env", "model_init_kwargs"))
    task = trl_task(reading)
    _method(reading)
    key = "datasets" if "datasets" in reading.values else "dataset_mixture"
    given = reading.get(key)
    if isinstance(given, Mapping):
        given = given.get("datasets")
    if isinstance(given, list):
        entries = [entry for entry in given if isinstance(entry, Mapping)]
        sources = [
            Source(name, config=text_of(entry, "name"), split=text_of(entry, "split"))
            for entry in entries
            if (name := text_of(entry, "path"))
        ]
        use(reading, key, sources)
    defaults = dict(DEFAULTS)
    if task != "sft":
        defaults |= {"task": task, "learning_rate": 1e-6}
        reading.silence("max_prompt_length", "max_completion_length", "truncation_mode")
    # Which names are ours is for the settings themselves to say.
    for name in list(reading.values):
        if not reading.known(name) and name not in TABLE and "." not in name:
            reading.set(name, **{name: reading.values[name]})
    return read(NAME, reading, TABLE, defaults=defaults, unknown="it has no counterpart here")


def _method(reading: Reading) -> None:
    if not reading.on("use_peft"):
        reading.set("use_peft", method="full")
        reading.silence(*(key for key in reading.values if key.startswith("lora_")), "load_in_4bit", "load_in_8bit")
        return
    reading.set("use_peft", method="qlora" if reading.on("load_in_4bit") else "lora")
    if reading.on("load_in_8bit"):
        reading.set("load_in_8bit", quantization="int8")
    reading.silence("load_in_4bit", "load_in_8bit", "bnb_4bit_quant_type")
    targets = reading.get("lora_target_modules")
    names = targets if isinstance(targets, list) else str(targets).split() if targets else []
    if names:
        reading.set("lora_target_modules", lora_target_modules=",".join(map(str, names)))
    if not reading.get("lora_r"):
        reading.settings["lora_r"] = 16


def _test_split(reading: Reading, key: str) -> None:
    """TRL takes that split only where it evaluates."""
    if reading.text("eval_strategy").lower() in {"", "no", "false"}:
        reading.silence(key)
    else:
        reading.set(key, dataset_eval_split=reading.text(key))


TABLE: Mapping[str, Rule] = {
    "torch_dtype": silent, "dtype": silent, "env": ignored("set variables in the shell"), "model_init_kwargs": ignored("how a model is loaded is chosen here"), "trust_remote_code": ignored("program code of models is never run"),
    "lora_task_type": silent, "lora_modules_to_save": ignored("embeddings stay as they are; trainable_token_indices trains chosen tokens"), "lora_alpha": to("lora_alpha"), "lora_dropout": to("lora_dropout"), "lora_r": to("lora_r"),
    "use_bnb_nested_quant": to("double_quantization"), "bnb_4bit_quant_type": silent, "dataset_test_split": _test_split, "dataset_num_proc": silent, "dataset_streaming": refused("streaming does not exist here"), "dataset_kwargs": silent, "packing_strategy": silent, "padding_free": silent, "eos_token": ignored("the tokenizer's own special tokens are used"),
    "chat_template_path": refused("another chat template is not read"), "attn_implementation": ignored(SPEED), "activation_offloading": ignored(SPEED), "gradient_checkpointing_kwargs": silent, "gradient_checkpointing_kwargs.*": silent,
    "push_to_hub": ignored(HUB), "hub_model_id": silent, "hub_strategy": silent, "hub_private_repo": silent, "run_name": ignored(LOGGING), "logging_strategy": silent, "logging_first_step": silent, "log_level": silent, "deepspeed": ignored(HARDWARE), "fsdp": ignored(HARDWARE), "fsdp_config": ignored(HARDWARE), "ddp_timeout": silent, "dataloader_num_workers": silent,
    "do_eval": silent, "do_train": silent, "overwrite_output_dir": ignored("a run is never overwritten"), "tf32": silent, "use_liger_kernel": ignored(SPEED), "loss_type": silent, "eval_on_start": silent, "load_best_model_at_end": silent, "metric_for_best_model": silent,
    "adam_epsilon": to("adam_epsilon"), "remove_unused_columns": silent, "average_tokens_across_devices": silent, "include_num_input_tokens_seen": silent, "assistant_only_loss": to("assistant_only_loss"), "eval_packing": silent, "pad_to_multiple_of": silent, "shuffle_dataset": silent, "truncation_mode": silent, "logging_dir": silent, "lr_scheduler_kwargs.min_lr_rate": to("min_lr_rate"), "lr_scheduler_kwargs.*": silent, "resume_from_checkpoint": ignored("`finetune-tui resume` resumes a run"),
}  # fmt: skip
"""What becomes of those keys of TRL's that are none of ours."""
