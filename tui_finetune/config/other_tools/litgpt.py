"""LitGPT's configurations."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath

from tui_finetune.config.other_tools.conversion import (
    HARDWARE,
    LOGGING,
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
from tui_finetune.config.other_tools.sources import Source, text_of, use

NAME = "LitGPT"

DEFAULTS: Mapping[str, object] = {
    "packing": False,
    "early_stopping_patience": 0,
    "num_train_epochs": 5,
    "per_device_train_batch_size": 1,
    "gradient_accumulation_steps": 16,
    "learning_rate": 2e-4,
    "lr_scheduler_type": "cosine",
    "warmup_steps": 100,
    "weight_decay": 0.0,
    "max_grad_norm": 0,
    "excess_length_strategy": "truncate",
    "save_strategy": "steps",
    "save_steps": 1000,
    "logging_steps": 1,
    "seed": 1337,
}
"""What LitGPT does where its file says nothing."""

_DATASETS = {
    "Alpaca": ("tatsu-lab/alpaca", "alpaca", 0.03865),
    "Alpaca2k": ("mhenrichsen/alpaca_2k_test", "alpaca", 0.05),
    "AlpacaGPT4": ("vicgalle/alpaca-gpt4", "alpaca", 0.03847),
    "Deita": ("HuggingFaceH4/deita-10k-v0-sft", "messages", 0.05),
    "Dolly": ("databricks/databricks-dolly-15k", None, 0.1),
    "LIMA": ("GAIR/lima", None, 0.1),
    "FLAN": ("Muennighoff/flan", None, 0.05),
}
"""LitGPT's data modules: the data set on the hub, its format, and the share that is held out."""

_ATTENTION = {"lora_query": "q_proj", "lora_key": "k_proj", "lora_value": "v_proj", "lora_projection": "o_proj"}


def looks_like(values: Mapping[str, object]) -> bool:
    """Whether a file is one of LitGPT's."""
    return isinstance(values.get("train"), Mapping) and bool(
        {"out_dir", "checkpoint_dir", "model_name"} & values.keys()
    )


def convert(values: Mapping[str, object]) -> Conversion:
    """Read one of LitGPT's files."""
    reading = Reading(values)
    _model(reading)
    _method(reading)
    _data(reading)
    _length(reading)
    unknown = "LitGPT may know it; it has no counterpart here"
    return read(NAME, reading, TABLE, defaults=DEFAULTS, unknown=unknown)


def _model(reading: Reading) -> None:
    """Its folders of weights end in the owner and the name that they have on the hub."""
    given = reading.text("checkpoint_dir")
    if given:
        parts = PurePosixPath(given).parts
        name = "/".join(parts[-2:]) if len(parts) > 2 and parts[0] == "checkpoints" else given
        reading.set(
            "checkpoint_dir",
            "LitGPT's own weights can't be read; the model is taken from the hub",
            model_name_or_path=name,
        )
        return
    start = reading.text("initial_checkpoint_dir")
    if start:
        reading.set("initial_checkpoint_dir", model_name_or_path=start)
    else:
        reading.refuse("model_name", "training from random weights does not exist here")


def _method(reading: Reading) -> None:
    rank = number(reading.get("lora_r"))
    quantize = reading.text("quantize")
    if rank is None:
        if "checkpoint_dir" in reading.values:
            reading.settings["method"] = "full"
        if quantize:
            reading.refuse("quantize", "quantized weights can't be trained themselves")
        return
    reading.set("lora_r", lora_r=int(rank), method="lora")
    if quantize.startswith("bnb.nf4"):
        reading.set("quantize", method="qlora", double_quantization=quantize.endswith("-dq"))
    elif quantize.startswith("bnb.int8"):
        reading.set("quantize", quantization="int8")
    elif quantize:
        reading.refuse("quantize", f"'{quantize}' does not exist here; bnb.nf4 and bnb.int8 do")
    targets = [ours for theirs, ours in _ATTENTION.items() if reading.on(theirs)]
    if reading.on("lora_mlp"):
        targets += ["gate_proj", "up_proj", "down_proj"]
    everything = len(targets) == 7
    reading.set("lora_query", lora_target_modules="all-linear" if everything else ",".join(targets))
    reading.silence("lora_key", "lora_value", "lora_projection", "lora_mlp")
    if reading.on("lora_head"):
        reading.ignore("lora_head", "the output layer gets no adapter here")


def _data(reading: Reading) -> None:
    key = "data.class_path" if "data.class_path" in reading.values else "data"
    name = reading.text(key).rpartition(".")[2]
    init = {k.rpartition(".")[2]: v for k, v in reading.values.items() if k.startswith("data.init_args.")}
    share: object
    if name == "JSON":
        place = text_of(init, "json_path")
        if place is None:
            reading.refuse(key, "it names no json_path")
            return
        source, share = Source(place, format="alpaca"), 0.0
    elif name in _DATASETS:
        place, kind, share = _DATASETS[name]
        source = Source(place, format=kind)
    elif name == "TextFiles" and (place := text_of(init, "train_data_path")):
        source, share = Source(place, format="text"), 0.0
    else:
        reading.refuse(key, f"the data set '{name}' does not exist here")
        return
    use(reading, key, [source])
    share = number(init.get("val_split_fraction")) or share
    reading.set("data.init_args.val_split_fraction", validation_split=share)
    if is_off(init.get("mask_prompt")):
        reading.set("data.init_args.mask_prompt", completion_only_loss=False, assistant_only_loss=False)
    reading.silence(*(k for k in reading.values if k.startswith("data.init_args.") and not reading.known(k)))


def _length(reading: Reading) -> None:
    whole, micro = number(reading.get("train.global_batch_size")), number(reading.get("train.micro_batch_size")) or 1
    if whole:
        devices = number(reading.get("devices")) or 1
        steps = max(1, round(whole / micro))
        reading.set("train.global_batch_size", gradient_accumulation_steps=steps)
        if devices > 1:
            reading.ignore("devices", "one device is used; the rows per update stay the same")
    if interval := number(reading.get("eval.interval")):
        reading.set("eval.interval", eval_strategy="steps", eval_steps=int(interval))


def _precision(reading: Reading, key: str) -> None:
    given = reading.text(key)
    ours = {"bf16-true": "bf16", "bf16-mixed": "bf16", "16-mixed": "fp16", "16-true": "fp16", "32-true": "fp32"}
    if given in ours:
        reading.set(key, precision=ours[given])
    else:
        reading.refuse(key, f"the precision '{given}' does not exist here")


def _optimizer(reading: Reading, key: str) -> None:
    name = reading.text(key).rpartition(".")[2]
    ours = {"AdamW": "adamw_torch", "SGD": "sgd", "AdamW8bit": "adamw_8bit", "PagedAdamW": "paged_adamw_32bit"}
    if name in ours:
        reading.set(key, optim=ours[name])
    else:
        reading.refuse(key, f"the optimizer '{name}' does not exist here")


def _betas(reading: Reading, key: str) -> None:
    given = reading.values[key]
    if isinstance(given, list) and len(given) == 2:
        reading.set(key, adam_beta1=given[0], adam_beta2=given[1])


def _min_rate(reading: Reading, key: str) -> None:
    """Its least rate is a number; ours is a share of the rate."""
    least, rate = number(reading.values[key]), number(reading.get("optimizer.init_args.lr"))
    if not least or not rate:
        reading.silence(key)
    elif re.fullmatch(r"full|lora|qlora", str(reading.settings.get("method", ""))):
        reading.set(key, lr_scheduler_type="cosine_with_min_lr", min_lr_rate=round(least / rate, 6))


TABLE: Mapping[str, Rule] = {
    "out_dir": to("output_dir"), "precision": _precision, "devices": ignored(HARDWARE), "num_nodes": silent, "resume": ignored("`finetune-tui resume` resumes a run"),
    "lora_alpha": to("lora_alpha"), "lora_dropout": to("lora_dropout"),
    "train.micro_batch_size": to("per_device_train_batch_size"), "train.epochs": to("num_train_epochs"), "train.max_steps": to("max_steps"), "train.max_seq_length": to("max_length"),
    "train.lr_warmup_steps": to("warmup_steps"), "train.lr_warmup_fraction": to("warmup_steps"), "train.max_norm": to("max_grad_norm"), "train.save_interval": to("save_steps"), "train.log_interval": to("logging_steps"),
    "train.min_lr": _min_rate, "train.max_tokens": refused("a number of tokens to train on does not exist here; use epochs or steps"), "train.tie_embeddings": silent,
    "eval.*": silent, "logger_name": ignored(LOGGING), "seed": to("seed"), "tokenizer_dir": silent, "access_token": silent, "model_config.*": silent,
    "optimizer.class_path": _optimizer, "optimizer": _optimizer, "optimizer.init_args.lr": to("learning_rate"), "optimizer.init_args.weight_decay": to("weight_decay"), "optimizer.init_args.betas": _betas, "optimizer.init_args.*": silent,
}  # fmt: skip
"""What becomes of each key of LitGPT's."""
