"""torchtune's configurations."""

from __future__ import annotations

import re
from collections.abc import Mapping

from tui_finetune.config.other_tools.conversion import (
    HARDWARE,
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
from tui_finetune.config.other_tools.sources import Source, text_of, use

NAME = "torchtune"

DEFAULTS: Mapping[str, object] = {
    "packing": False,
    "validation_split": 0,
    "eval_strategy": "no",
    "early_stopping_patience": 0,
    "gradient_accumulation_steps": 1,
    "num_train_epochs": 1,
    "lr_scheduler_type": "constant",
    "warmup_steps": 0,
    "weight_decay": 0.0,
    "max_grad_norm": 0,
    "save_strategy": "epoch",
    "excess_length_strategy": "truncate",
    "gradient_checkpointing": False,
}
"""What torchtune does where its file says nothing."""

_DATASETS = {
    "alpaca_cleaned_dataset": ("yahma/alpaca-cleaned", "alpaca"),
    "alpaca_dataset": ("tatsu-lab/alpaca", "alpaca"),
    "grammar_dataset": ("liweili/c4_200m", None),
    "samsum_dataset": ("Samsung/samsum", None),
    "slimorca_dataset": ("Open-Orca/SlimOrca-Dedup", "sharegpt"),
    "wikitext_dataset": ("EleutherAI/wikitext_document_level", "text"),
    "cnn_dailymail_articles_dataset": ("ccdv/cnn_dailymail", "text"),
}
_OWN = {"instruct_dataset": None, "chat_dataset": None, "text_completion_dataset": "text"}
_REFUSED_RECIPES = {
    "teacher_model._component_": "distillation does not exist here",
    "policy_model._component_": "reinforcement learning does not exist here",
    "reward_functions": "reinforcement learning does not exist here",
    "ref_checkpointer._component_": "preference tuning does not exist here yet",
    "quantizer._component_": "quantization-aware training does not exist here",
    "tasks": "it asks for an evaluation, not a training",
    "prompt.user": "it asks for generation: `finetune-tui chat` does that",
    "prompt.user.text": "it asks for generation: `finetune-tui chat` does that",
}


def looks_like(values: Mapping[str, object]) -> bool:
    """Whether a file is one of torchtune's."""
    nested = [value for value in values.values() if isinstance(value, Mapping)]
    return any(str(value.get("_component_", "")).startswith("torchtune.") for value in nested)


def convert(values: Mapping[str, object]) -> Conversion:
    """Read one of torchtune's files."""
    reading = Reading(_filled(values), whole=("dataset", "dataset_val"))
    for key, reason in _REFUSED_RECIPES.items():
        if reading.text(key):
            reading.refuse(key, reason)
    _model(reading)
    if "dataset" in reading.values:
        _data(reading)
    _optimizer(reading)
    unknown = "torchtune may know it; it has no counterpart here"
    return read(NAME, reading, TABLE, defaults=DEFAULTS, unknown=unknown)


def _filled(values: Mapping[str, object]) -> dict[str, object]:
    """The same mapping with ${name} replaced by what stands for it."""

    def fill(value: object) -> object:
        if isinstance(value, Mapping):
            return {key: fill(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [fill(inner) for inner in value]
        if isinstance(value, str):
            whole = re.fullmatch(r"\$\{(\w+)\}", value)
            if whole:
                return values.get(whole[1])
            return re.sub(r"\$\{(\w+)\}", lambda match: str(values.get(match[1], "")), value)
        return value

    return {key: fill(value) for key, value in values.items()}


def _model(reading: Reading) -> None:
    component = reading.text("model._component_").rpartition(".")[2]
    if not component:
        reading.refuse("model._component_", "it names no model")
        return
    if "vision" in component or "llama4" in component or reading.text("model.image_size"):
        reading.refuse("model._component_", "models that read images can't be trained here")
        return
    adapter = component.startswith(("lora_", "qlora_"))
    quantized = component.startswith("qlora_") or reading.on("model.quantize_base")
    reading.set("model._component_", method="qlora" if quantized else "lora" if adapter else "full")
    if adapter:
        _targets(reading)
    if reading.text("model.lora_rank"):
        reading.set("model.lora_rank", lora_r=reading.get("model.lora_rank"))
    if not reading.text("checkpointer.checkpoint_dir"):
        reading.refuse("checkpointer.checkpoint_dir", "it names no folder with the model's weights")


def _targets(reading: Reading) -> None:
    """torchtune's names of layers are its own."""
    names = {"output_proj": "o_proj"}
    given = reading.get("model.lora_attn_modules")
    attention = [names.get(str(name), str(name)) for name in given] if isinstance(given, list) else []
    feed_forward = ["gate_proj", "up_proj", "down_proj"] if reading.on("model.apply_lora_to_mlp") else []
    if attention or feed_forward:
        reading.set("model.lora_attn_modules", lora_target_modules=",".join([*attention, *feed_forward]))
    reading.silence("model.apply_lora_to_mlp")
    if reading.on("model.apply_lora_to_output"):
        reading.refuse("model.apply_lora_to_output", "the output layer gets no adapter here")


def _data(reading: Reading) -> None:
    given = reading.get("dataset")
    entry = given if isinstance(given, Mapping) else {}
    component = str(entry.get("_component_", "")).rpartition(".")[2]
    split = text_of(entry, "split")
    if component in _DATASETS:
        name, kind = _DATASETS[component]
        source = Source(text_of(entry, "source") or name, format=kind, split=split)
    elif component in _OWN:
        name_given = text_of(entry, "source")
        files = entry.get("data_files")
        if name_given in {"json", "csv", "text", "parquet"} and isinstance(files, str):
            name_given = files
        if name_given is None:
            reading.refuse("dataset", "it names no source")
            return
        columns = entry.get("column_map")
        columns = columns if isinstance(columns, Mapping) else {}
        source = Source(
            name_given, format=_OWN[component], split=split,
            text_field=text_of(entry, "column"), messages_field=text_of(entry, "conversation_column"),
            prompt_field=text_of(columns, "input"), completion_field=text_of(columns, "output"),
        )  # fmt: skip
    else:
        reading.refuse("dataset", f"the data set '{component or given}' does not exist here")
        return
    use(reading, "dataset", [source])
    if entry.get("train_on_input"):
        reading.set("dataset", completion_only_loss=False, assistant_only_loss=False)
    if entry.get("packed"):
        reading.set("dataset", packing=True)
    _validation(reading, split)


def _validation(reading: Reading, split: str | None) -> None:
    """Its recipes hold out the end of a split that they train on the beginning of."""
    held_out = reading.get("dataset_val")
    if not isinstance(held_out, Mapping) or not number(reading.get("run_val_every_n_steps")):
        reading.silence("dataset_val", "run_val_every_n_steps", "batch_size_val")
        return
    share = re.fullmatch(r"\w+\[(\d+)%:\]", str(held_out.get("split", "")))
    if share and split and split.endswith(f"[:{share[1]}%]"):
        rest = 1 - int(share[1]) / 100
        steps = number(reading.get("run_val_every_n_steps"))
        reading.set("dataset_val", dataset_train_split=split.partition("[")[0], validation_split=round(rest, 4))
        reading.set("run_val_every_n_steps", eval_strategy="steps", eval_steps=int(steps or 1))
    else:
        reading.refuse("dataset_val", "an evaluation set of its own is not supported yet")


def _optimizer(reading: Reading) -> None:
    component = reading.text("optimizer._component_").rpartition(".")[2]
    ours = {
        "AdamW": "adamw_torch_fused" if reading.on("optimizer.fused") else "adamw_torch",
        "PagedAdamW": "paged_adamw_32bit",
        "PagedAdamW8bit": "paged_adamw_8bit",
        "AdamW8bit": "adamw_8bit",
        "SGD": "sgd",
        "Adafactor": "adafactor",
    }
    if component in ours:
        reading.set("optimizer._component_", optim=ours[component])
        if component == "AdamW" and "optimizer.weight_decay" not in reading.values:
            reading.settings["weight_decay"] = 0.01  # that of torch.optim.AdamW
    elif component:
        reading.refuse("optimizer._component_", f"the optimizer '{component}' does not exist here")
    betas = reading.get("optimizer.betas")
    if isinstance(betas, list) and len(betas) == 2:
        reading.set("optimizer.betas", adam_beta1=betas[0], adam_beta2=betas[1])
    if steps := number(reading.get("max_steps_per_epoch")):
        reading.set("max_steps_per_epoch", max_steps=int(steps * (number(reading.get("epochs")) or 1)))


def _schedule(reading: Reading, key: str) -> None:
    name = reading.text(key).rpartition(".")[2]
    if name == "get_cosine_schedule_with_warmup":
        reading.set(key, lr_scheduler_type="cosine")
    else:
        reading.refuse(key, f"the schedule '{name}' does not exist here")


def _dtype(reading: Reading, key: str) -> None:
    reading.set(key, precision=reading.text(key))


_SILENT = (
    "tokenizer.*", "checkpointer.*", "resume_from_checkpoint", "save_adapter_weights_only", "shuffle", "loss.*", "metric_logger.*",
    "log_peak_memory_stats", "log_level", "profiler.*", "optimizer.fused", "model.image_size", "model.encoder_trainable",
    "model.decoder_trainable", "model.fusion_trainable", "name", "custom_sharded_layers", "low_cpu_ram", "base_model_path",
    "compile", "fsdp_*", "fsdp.*", "data_parallel_*", "tensor_parallel_*", "num_cores", "save_every_n_*", "save_first_step", "collate_fn", "ref_*", "teacher_*", "kd_*", "ppo_*", "batch_size_val",
)  # fmt: skip
TABLE: Mapping[str, Rule] = {
    "checkpointer.checkpoint_dir": to("model_name_or_path"),
    "output_dir": to("output_dir"), "seed": to("seed"), "batch_size": to("per_device_train_batch_size"), "epochs": to("num_train_epochs"),
    "gradient_accumulation_steps": to("gradient_accumulation_steps"), "clip_grad_norm": to("max_grad_norm"), "tokenizer.max_seq_len": to("max_length"),
    "tokenizer.prompt_template": refused("a prompt template of its own is not read"),
    "optimizer.lr": to("learning_rate"), "optimizer.weight_decay": to("weight_decay"), "optimizer.eps": to("adam_epsilon"),
    "lr_scheduler._component_": _schedule, "lr_scheduler.num_warmup_steps": to("warmup_steps"), "lr_scheduler.*": silent,
    "model.lora_alpha": to("lora_alpha"), "model.lora_dropout": to("lora_dropout"), "model.use_dora": to("use_dora"), "model.*": silent,
    "log_every_n_steps": to("logging_steps"), "dtype": _dtype, "device": ignored(HARDWARE), "enable_activation_checkpointing": to("gradient_checkpointing", lambda value: not is_off(value)),
    "enable_activation_offloading": ignored(SPEED), "optimizer_in_bwd": ignored(SPEED), "metric_logger._component_": ignored(LOGGING),
    "tensor_parallel_dim": ignored(HARDWARE), "tensor_parallel_plan._component_": ignored(HARDWARE),
    **dict.fromkeys(_SILENT, silent),
}  # fmt: skip
"""What becomes of each key of torchtune's."""
