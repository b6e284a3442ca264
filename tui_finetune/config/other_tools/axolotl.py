"""axolotl's configurations."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from tui_finetune.config.other_tools.conversion import (
    CACHING,
    HARDWARE,
    HUB,
    LOGGING,
    SPEED,
    Conversion,
    Reading,
    Rule,
    expecting,
    ignored,
    is_off,
    number,
    read,
    refused,
    silent,
    to,
)
from tui_finetune.config.other_tools.preferences import TEMPLATE, axolotl_pairs, axolotl_task
from tui_finetune.config.other_tools.sources import Source, evaluate_on, text_of, use

NAME = "axolotl"
_SWEEPS = "sweeps, reward models and reinforcement learning of axolotl do not exist here"
_IMAGES = "models that read images or sound can't be trained here"

DEFAULTS: Mapping[str, object] = {
    "packing": False,
    "validation_split": 0,
    "eval_strategy": "no",
    "early_stopping_patience": 0,
    "per_device_train_batch_size": 1,
    "gradient_accumulation_steps": 1,
    "num_train_epochs": 1,
    "lr_scheduler_type": "cosine",
    "weight_decay": 0.0,
    "warmup_steps": 0,
    "save_strategy": "epoch",
    "excess_length_strategy": "drop",
    "seed": 42,
}
"""What axolotl does where its file says nothing."""

_OPTIMIZERS = {
    "adamw_torch_8bit": "adamw_8bit",
    "adamw_torch_4bit": "adamw_8bit",
    "ao_adamw_8bit": "adamw_8bit",
    "adamw_bnb_8bit": "adamw_8bit",
    "adamw_hf": "adamw_torch",
    "adamw_apex_fused": "adamw_torch_fused",
    "paged_adamw": "paged_adamw_32bit",
    "lion_8bit": "lion",
    "lion_pytorch": "lion",
    "lion_32bit": "lion",
}


def looks_like(values: Mapping[str, object]) -> bool:
    """Whether a file is one of axolotl's."""
    own = {"sequence_len", "micro_batch_size", "adapter", "val_set_size", "sample_packing", "pretraining_dataset"}
    listed = values.get("datasets")
    theirs = isinstance(listed, list) and any(isinstance(entry, Mapping) and "path" in entry for entry in listed)
    return "base_model" in values and (bool(own & values.keys()) or theirs)


def convert(values: Mapping[str, object]) -> Conversion:
    """Read one of axolotl's files."""
    reading = Reading(values, whole=("datasets", "test_datasets", "pretraining_dataset", "special_tokens"))
    task = axolotl_task(reading)
    _method(reading)
    _data(reading, task)
    _length(reading)
    _evaluation(reading)
    unknown = "axolotl may know it; it has no counterpart here"
    return read(NAME, reading, TABLE, defaults=DEFAULTS, unknown=unknown)


def _method(reading: Reading) -> None:
    """Which weights are trained, and in which format the others are."""
    adapter = reading.text("adapter").lower()
    four, eight = reading.on("load_in_4bit"), reading.on("load_in_8bit")
    if adapter in {"", "lora", "qlora"}:
        method = "qlora" if adapter and four else "lora" if adapter else "full"
        reading.set("adapter", method=method)
        reading.silence("load_in_4bit", "load_in_8bit")
        if adapter and eight and not four:
            reading.set("load_in_8bit", quantization="int8")
        if not adapter and (four or eight):
            reading.refuse("load_in_4bit" if four else "load_in_8bit", "quantized weights can't be trained themselves")
    else:
        reading.refuse("adapter", f"the method '{adapter}' does not exist here; lora and qlora do")
    if not adapter:
        for key in list(reading.values):
            if key.startswith(("lora_", "peft_")):
                reading.silence(key)
        return
    targets = reading.get("lora_target_modules") or reading.get("lora_target_linear")
    if isinstance(targets, list):
        reading.set("lora_target_modules", lora_target_modules=",".join(map(str, targets)))
    elif isinstance(targets, str) and targets not in {"all-linear", "true"}:
        reading.set("lora_target_modules", lora_target_modules=targets)
    else:
        reading.silence("lora_target_modules")
    reading.silence("lora_target_linear", "lora_fan_in_fan_out", "lora_mlp_kernel", "lora_qkv_kernel", "lora_o_kernel")


def _data(reading: Reading, task: str) -> None:
    """The data sets and how their rows are read."""
    key = "datasets" if is_off(reading.get("pretraining_dataset")) else "pretraining_dataset"
    given = reading.get(key)
    entries = given if isinstance(given, list) else [given] if given else []
    sources = []
    for entry in entries:
        if not isinstance(entry, Mapping):
            reading.refuse(key, "an entry is a mapping with path and type")
            return
        kind = entry.get("type")
        if not isinstance(kind, Mapping):
            kind = str(kind or "").strip()
        found = _source(entry, kind, task)
        if isinstance(found, str):
            reading.refuse(key, found)
            return
        sources.append(found)
    if sources:
        use(reading, key, sources, TEMPLATE if task else "")


def _test_data(reading: Reading, key: str) -> None:
    """Data of its own to evaluate on."""
    given = reading.values[key]
    sources = []
    for entry in given if isinstance(given, list) else [given]:
        if not isinstance(entry, Mapping):
            reading.refuse(key, "an entry is a mapping with path and type")
            return
        found = _source(entry, str(entry.get("type") or "").strip(), "")
        if isinstance(found, str):
            reading.refuse(key, found)
            return
        sources.append(found)
    evaluate_on(reading, key, sources)


def _source(entry: Mapping[str, object], kind: str | Mapping[str, object], task: str) -> Source | str:
    """One data set; or what is asked of it that does not exist here."""
    name = text_of(entry, "path")
    files = entry.get("data_files")
    if isinstance(files, list) and len(files) == 1:
        files = files[0]
    if isinstance(files, str) and text_of(entry, "ds_type"):
        name, files = (files if name in {None, "json", "csv", "parquet", "text", "arrow"} else f"{name}/{files}"), None
    if name is None:
        return "an entry needs a path"
    mask = False if entry.get("train_on_inputs") is True else None
    plain = Source(
        name,
        config=text_of(entry, "name"),
        split=text_of(entry, "split"),
        completion_only_loss=mask,
        assistant_only_loss=mask,
    )
    if isinstance(files, str):
        plain = replace(plain, name=f"{name}/{files}")
    elif files:
        return "several data_files of one data set are not supported; list each as a data set"
    shards = entry.get("shards")
    if shards not in (None, 1):
        return "shards of a data set are not supported; use split: train[:10%]"
    if task:
        return axolotl_pairs(entry, kind, plain)
    if isinstance(kind, Mapping):
        return plain
    base, _, variant = kind.partition(".")
    if base in {"completion", "pretrain"} or kind == "":
        return replace(plain, format="text" if kind else None, text_field=text_of(entry, "field"))
    if base == "alpaca" and variant in {"", "load_no_prompt", "load_concat"}:
        return replace(plain, format="alpaca")
    if base in {"chat_template", "sharegpt", "chatml"} and variant in {"", "default", "argilla", "load_role"}:
        messages = text_of(entry, "field_messages", "conversations_field")
        default = "conversations" if base == "sharegpt" else None
        return replace(plain, messages_field=messages or default)
    if base in {"alpaca_w_system", "oasst", "gpteacher", "alpaca_chat", "context_qa", "explainchoice", "summarizetldr", "jeopardy",
                "creative_acr", "concisechoice", "pygmalion", "metharme", "input_output", "system", "user_defined"}:  # fmt: skip
        return plain
    return f"the prompt format '{kind}' does not exist here"


def _length(reading: Reading) -> None:
    """Batches and length of training."""
    micro, whole = number(reading.get("micro_batch_size")), number(reading.get("batch_size"))
    if whole and not reading.text("gradient_accumulation_steps"):
        reading.set("batch_size", gradient_accumulation_steps=max(1, round(whole / (micro or 1))))
    else:
        reading.silence("batch_size")
    ratio, steps = number(reading.get("warmup_ratio")), number(reading.get("warmup_steps"))
    if steps is not None:
        reading.set("warmup_steps", warmup_steps=steps)
        reading.silence("warmup_ratio")
    elif ratio is not None:
        reading.set("warmup_ratio", warmup_steps=ratio)


def _evaluation(reading: Reading) -> None:
    """How often it is evaluated and saved; axolotl counts per epoch."""
    held_out = number(reading.get("val_set_size")) or 0
    if held_out:
        reading.set("val_set_size", validation_split=held_out, eval_strategy="epoch")
        if steps := number(reading.get("eval_steps")):
            reading.set("eval_steps", eval_strategy="steps", eval_steps=steps)
        elif times := number(reading.get("evals_per_epoch")):
            _per_epoch(reading, "evals_per_epoch", times, "eval")
        if reading.text("eval_strategy") or reading.text("evaluation_strategy"):
            key = "eval_strategy" if reading.text("eval_strategy") else "evaluation_strategy"
            reading.set(key, eval_strategy=reading.text(key))
    else:
        reading.silence("val_set_size")
    reading.silence("eval_steps", "evals_per_epoch", "eval_strategy", "evaluation_strategy") if not held_out else None
    if steps := number(reading.get("save_steps")):
        reading.set("save_steps", save_strategy="steps", save_steps=steps)
    elif times := number(reading.get("saves_per_epoch")):
        _per_epoch(reading, "saves_per_epoch", times, "save")


def _per_epoch(reading: Reading, key: str, times: float, what: str) -> None:
    """So many times an epoch: as a share of all steps where that is more than once."""
    epochs = number(reading.get("num_epochs")) or 1
    if times == 1:
        reading.set(key, **{f"{what}_strategy": "epoch"})
        return
    share = 1 / (times * max(1.0, epochs))
    reading.set(key, **{f"{what}_strategy": "steps", f"{what}_steps": math.floor(share * 10_000) / 10_000 or 0.0001})


def _optimizer(reading: Reading, key: str) -> None:
    given = reading.text(key).lower()
    ours = _OPTIMIZERS.get(given, given)
    known = {"adamw_torch", "adamw_torch_fused", "adamw_8bit", "paged_adamw_8bit", "paged_adamw_32bit", "adafactor", "lion",
             "muon", "sgd"}  # fmt: skip
    if ours in known:
        reading.set(key, optim=ours)
    else:
        reading.refuse(key, f"the optimizer '{given}' does not exist here")


def _schedule(reading: Reading, key: str) -> None:
    given = reading.text(key).lower()
    if given == "one_cycle":
        reading.refuse(key, "the schedule 'one_cycle' does not exist here")
        return
    reading.set(key, lr_scheduler_type=given)


def _tokens(reading: Reading, key: str) -> None:
    """Special tokens that a model has are its own; padding is never trained on, whatever it is called."""
    given = reading.values[key]
    if isinstance(given, Mapping) and set(given) <= {"pad_token", "bos_token", "eos_token", "unk_token"}:
        reading.ignore(key, "the tokenizer's own special tokens are used")
    else:
        reading.refuse(key, "tokens that the tokenizer does not have can't be added")


def _attention(reading: Reading, key: str) -> None:
    reading.ignore(key, SPEED)


def _trackers(reading: Reading, key: str) -> None:
    if reading.text(key):
        reading.set(key, report_to="wandb")


def _checkpointing(reading: Reading, key: str) -> None:
    """'offload' and its like recompute as well."""
    reading.set(key, gradient_checkpointing=not is_off(reading.values[key]))


_EPOCHS = to("num_train_epochs")
TABLE: Mapping[str, Rule] = {
    "base_model": to("model_name_or_path"),
    "base_model_config": silent,
    "revision_of_model": to("model_revision"),
    "model_type": silent, "tokenizer_type": silent, "tokenizer_config": silent, "tokenizer_use_fast": silent,
    "tokenizer_legacy": silent, "is_llama_derived_model": silent, "is_mistral_derived_model": silent, "is_falcon_derived_model": silent,
    "is_qwen_derived_model": silent, "cls_model_config": silent,
    "tokenizer_use_mistral_common": ignored("the tokenizer in the model's folder is used"),
    "trust_remote_code": ignored("program code of models is never run"),
    "model_config.*": ignored("the model's own configuration is used"), "overrides_of_model_config.*": refused("a model's shape can't be changed"),
    "torch_dtype": silent, "strict": silent, "low_cpu_mem_usage": silent, "device_map*": ignored(HARDWARE),
    "lora_model_dir": to("model_name_or_path", reason="training continues with that adapter"),
    "lora_r": to("lora_r"), "lora_alpha": to("lora_alpha"), "lora_dropout": to("lora_dropout"),
    "peft_use_dora": to("use_dora"), "peft_use_rslora": to("use_rslora"), "loraplus_lr_ratio": to("loraplus_lr_ratio"),
    "lora_modules_to_save": ignored("embeddings stay as they are; trainable_token_indices trains chosen tokens"),
    "lora_target_parameters": ignored("experts are adapted by lora_target_modules: all-linear"),
    "bnb_config_kwargs.bnb_4bit_use_double_quant": to("double_quantization"),
    "bnb_config_kwargs.*": silent, "gptq*": refused("models quantized with GPTQ can't be trained"),
    "peft.*": refused("this way to initialize an adapter does not exist here"),
    "unfrozen_parameters": to("unfrozen_layers", lambda value: ",".join(map(str, value)) if isinstance(value, list) else value),
    "noisy_embedding_alpha": to("neftune_noise_alpha", lambda value: value or None), "neftune_noise_alpha": to("neftune_noise_alpha", lambda value: value or None),
    "rl": silent, "rl_beta": silent, "trl.*": refused(_SWEEPS), "reward_model": refused(_SWEEPS),
    "process_reward_model": refused(_SWEEPS), "ebft.*": refused(_SWEEPS), "vllm.*": silent, "num_labels": refused("classifiers can't be trained here"),
    "relora*": refused("ReLoRA does not exist here"), "jagged_restart*": refused("ReLoRA does not exist here"),
    "lisa_*": refused("LISA does not exist here"), "qat.*": refused("quantization-aware training does not exist here"),
    "diffusion.*": refused("diffusion models of text can't be trained here"), "reinit_weights": refused("training from random weights does not exist here"),
    "use_eaft": refused("this loss does not exist here"), "eaft_*": silent, "fp8*": refused("fp8 does not exist here"),
    "model_quantization_config*": refused("weights quantized by the model's own format can't be trained here"),
    "processor_type": refused(_IMAGES), "freeze_mm_modules": refused(_IMAGES), "image_size": refused(_IMAGES), "image_*": refused(_IMAGES),
    "sequence_len": to("max_length"),
    "min_sample_len": silent, "sample_packing": to("packing"), "eval_sample_packing": silent, "pad_to_sequence_len": silent,
    "sample_packing_*": silent, "total_num_tokens": silent, "max_packed_sequence_len": silent, "group_by_length": to("group_by_length"),
    "curriculum_sampling": refused("rows are shuffled here"), "shuffle_merged_datasets": silent, "remove_unused_columns": silent,
    "train_on_inputs": to("completion_only_loss", is_off),
    "chat_template": ignored("the model's own chat template is used"), "chat_template_jinja*": refused("a chat template in the configuration is not read"),
    "default_system_message": refused("a system prompt for all rows does not exist here"),
    "eot_tokens": silent, "special_tokens": _tokens, "tokens": _tokens, "tokens.*": silent, "added_tokens_overrides": refused("tokens can't be renamed"),
    "resize_token_embeddings_to_32x": silent, "embeddings_skip_upcast": silent, "dataset_exact_deduplication": refused("duplicates are not left out"),
    "skip_prepare_dataset": silent, "dataset_prepared_path": ignored(CACHING), "dataset_processes": silent, "dataset_num_proc": silent,
    "dataset_keep_in_memory": silent, "dataset_shard_*": silent, "streaming*": silent, "push_dataset_to_hub": ignored(HUB), "test_datasets": _test_data,
    "num_epochs": _EPOCHS, "max_steps": to("max_steps"), "micro_batch_size": to("per_device_train_batch_size"),
    "gradient_accumulation_steps": to("gradient_accumulation_steps"), "eval_batch_size": to("per_device_eval_batch_size"),
    "learning_rate": to("learning_rate"), "lr_scheduler": _schedule, "optimizer": _optimizer, "weight_decay": to("weight_decay"),
    "max_grad_norm": to("max_grad_norm"), "adam_beta1": to("adam_beta1"), "adam_beta2": to("adam_beta2"), "adam_epsilon": to("adam_epsilon"), "adam_eps": to("adam_epsilon"),
    "adam_epsilon2": silent, "adam_beta3": silent, "cosine_min_lr_ratio": to("min_lr_rate"), "cosine_constant_lr_ratio": silent,
    "lr_quadratic_warmup": refused("a quadratic warmup does not exist here"), "eta_min": ignored("the schedule ends at zero, or at min_lr_rate"),
    "optim_args*": refused("arguments of an optimizer are settings of their own here"), "loraplus_lr_embedding": silent, "embedding_lr*": refused("parts of a model have no learning rate of their own"),
    "lr_groups": refused("parts of a model have no learning rate of their own"),
    "bf16": to("bf16"), "fp16": to("fp16"), "bfloat16": to("bf16"), "float16": to("fp16"), "tf32": silent, "half": silent,
    "gradient_checkpointing": _checkpointing, "gradient_checkpointing_kwargs.*": silent, "activation_offloading": ignored(SPEED),
    "logging_steps": to("logging_steps"), "eval_steps": silent, "evals_per_epoch": silent, "save_total_limit": to("save_total_limit"), "save_only_model": to("save_only_model"),
    "save_strategy": to("save_strategy", lambda value: "epoch" if value == "best" else value), "saves_per_epoch": silent, "save_steps": silent, "save_safetensors": silent, "save_first_step": silent,
    "early_stopping_patience": to("early_stopping_patience"), "seed": to("seed"), "output_dir": to("output_dir"),
    "resume_from_checkpoint": ignored("`finetune-tui resume` resumes a run"), "auto_resume_from_checkpoints": silent,
    "loss_watchdog_*": ignored("the run ends at a loss that is not finite, and its health is watched"),
    "wandb_project": _trackers, "wandb_*": silent, "use_wandb": silent, "trackio_*": ignored(LOGGING), "use_trackio": ignored(LOGGING), "mlflow_*": ignored(LOGGING), "comet_*": ignored(LOGGING),
    "use_tensorboard": to("report_to", lambda value: "none" if is_off(value) else "tensorboard"), "use_swanlab": ignored(LOGGING), "swanlab_*": silent, "use_otel_metrics": ignored(LOGGING), "otel_*": silent,
    "eval_table_size": silent, "eval_max_new_tokens": silent, "eval_causal_lm_metrics": silent, "include_tokens_per_second": silent, "include_tkps": silent, "debug": silent, "profiler_steps": silent, "use_otel*": silent,
    "hub_*": ignored(HUB), "push_to_hub": ignored(HUB), "hf_use_auth_token": silent,
    "attn_implementation": _attention, "flash_attention": _attention, "flash_attn_*": _attention, "sdp_attention": _attention, "xformers_attention": _attention, "flex_attention": _attention, "eager_attention": _attention,
    "flex_attn_*": silent, "s2_attention": refused("shifted sparse attention does not exist here"), "flash_optimum": silent, "fused_attn_kernel": silent, "experts_implementation": silent,
    "gemma4_hybrid_attn_impl": silent,
    "plugins": ignored(SPEED), "liger_*": silent, "cut_cross_entropy": silent, "use_kernels": silent, "use_scattermoe": silent, "use_sonicmoe": silent, "use_*_kernels": silent, "tiled_mlp*": silent, "chunked_cross_entropy*": silent,
    "torch_compile*": ignored(SPEED), "quantize_moe_experts": silent, "llama4_linearized_experts": silent, "experimental_skip_move_to_device": silent, "use_onebitllms": refused("models with weights of one bit can't be trained here"),
    "fsdp": ignored(HARDWARE), "fsdp_*": silent, "fsdp_config.*": silent, "deepspeed": ignored(HARDWARE), "deepspeed*": silent, "ddp*": silent, "local_rank": silent, "torchdistx_path": silent, "use_ray": ignored(HARDWARE), "ray_*": silent,
    "tensor_parallel_size": expecting(1, reason="a model is not split over GPUs here"), "context_parallel_size": expecting(1, reason="a text is not split over GPUs here"), "sequence_parallel_degree": expecting(1, reason="a text is not split over GPUs here"),
    "dp_*": silent, "expert_parallel*": ignored(HARDWARE), "accelerator_config.*": silent, "dataloader_*": silent, "gpu_memory_limit": ignored(HARDWARE), "base_model_ignore_patterns": silent,
    "lora_on_cpu": silent, "max_memory*": silent, "load_in_8bit": silent, "load_in_4bit": silent, "strategy": silent, "ddp_*": silent, "field_*": silent,
}  # fmt: skip
"""What becomes of each key of axolotl's."""
