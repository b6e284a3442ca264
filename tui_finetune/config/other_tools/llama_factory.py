"""LLaMA-Factory's configurations, those of its version 1 as well."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
from tui_finetune.config.other_tools.preferences import llama_factory_source, llama_factory_task
from tui_finetune.config.other_tools.sources import Source, evaluate_on, text_of, use

NAME = "LLaMA-Factory"

ReadFile = Callable[[str], Mapping[str, object] | None]
"""Reads a YAML or JSON file that the configuration names; None where there is none."""

DEFAULTS: Mapping[str, object] = {
    "packing": False,
    "validation_split": 0,
    "eval_strategy": "no",
    "early_stopping_patience": 0,
    "per_device_train_batch_size": 8,
    "gradient_accumulation_steps": 1,
    "num_train_epochs": 3,
    "learning_rate": 5e-5,
    "lr_scheduler_type": "linear",
    "weight_decay": 0.0,
    "warmup_steps": 0,
    "max_length": 2048,
    "excess_length_strategy": "truncate",
    "gradient_checkpointing": True,
    "save_strategy": "steps",
    "save_steps": 500,
    "logging_steps": 500,
    "seed": 42,
}
"""What LLaMA-Factory and Trainer do where the file says nothing; it turns checkpointing on."""

_IMAGES = "models that read images or sound can't be trained here"


def looks_like(values: Mapping[str, object]) -> bool:
    """Whether a file is one of LLaMA-Factory's."""
    keys = values.keys()
    if "train_dataset" in keys and ("model" in keys or "model_class" in keys):
        return True
    own = {"stage", "finetuning_type", "cutoff_len", "template", "dataset_dir", "adapter_name_or_path", "infer_backend"}
    return len(own & keys) >= 2 or (bool(own & keys) and "model_name_or_path" in keys)


def convert(values: Mapping[str, object], read_file: ReadFile) -> Conversion:
    """Read one of LLaMA-Factory's files.

    Args:
        values: the file's mapping.
        read_file: reads its list of data sets.
    """
    first = "train_dataset" in values
    reading = Reading(values, whole=("dataset_info",))
    _stage(reading)
    _data(reading, read_file)
    _method(reading, "peft_config.name" if first else "finetuning_type")
    _evaluation(reading)
    defaults = dict(DEFAULTS)
    if reading.text("batching_strategy").startswith(("padding_free", "dynamic")):
        reading.set("batching_strategy", packing=True)
    if reading.on("packing"):
        reading.silence("neat_packing")
    unknown = "LLaMA-Factory may know it; it has no counterpart here"
    return read(NAME, reading, TABLE, defaults=defaults, unknown=unknown)


def _stage(reading: Reading) -> None:
    llama_factory_task(reading)
    if "do_train" in reading.values and is_off(reading.get("do_train")):
        reading.refuse("do_train", "it asks for no training")
    if "export_dir" in reading.values:
        reading.refuse("export_dir", "it asks for an export: `finetune-tui export RUN` does that")


def _data(reading: Reading, read_file: ReadFile) -> None:
    key = "train_dataset" if "train_dataset" in reading.values else "dataset"
    names = [name.strip() for name in reading.text(key).split(",") if name.strip()]
    if not names:
        if "output_dir" not in reading.values and "export_dir" not in reading.values:
            reading.refuse("model_name_or_path", "it asks for no training: `finetune-tui chat` talks to a model")
        return
    folder = reading.text("dataset_dir") or "data"
    reading.silence("dataset_dir")
    samples = number(reading.get("max_samples"))
    reading.silence("max_samples")
    if key == "train_dataset" and names[0].endswith((".yaml", ".yml", ".json")):
        listed = read_file(names[0])
        if listed is None:
            reading.refuse(key, f"there is no file {names[0]} beside the configuration")
            return
        names, folder = list(map(str, listed)), "."
    else:
        listed = read_file(f"{folder}/dataset_info.json") or {}
    text = reading.text("stage").lower() == "pt"
    sources = _sources(reading, key, names, listed, folder, samples, text)
    use(reading, key, _weighted(reading, sources)) if sources else None
    others = [name.strip() for name in reading.text("eval_dataset").split(",") if name.strip()]
    if others and (found := _sources(reading, "eval_dataset", others, listed, folder, samples, text)):
        evaluate_on(reading, "eval_dataset", found)


def _sources(
    reading: Reading,
    key: str,
    names: list[str],
    listed: Mapping[str, object],
    folder: str,
    samples: float | None,
    text: bool,
) -> list[Source]:
    """The data sets of these names; none where one of them is refused."""
    sources = []
    for name in names:
        entry = listed.get(name)
        source = _source(name, entry if isinstance(entry, Mapping) else {}, folder, samples, text)
        if isinstance(source, str):
            reading.refuse(key, source)
            return []
        sources.append(source)
    return sources


def _weighted(reading: Reading, sources: list[Source]) -> list[Source]:
    """Data sets with their shares in the mix, where they are interleaved."""
    strategy = reading.text("mix_strategy") or "concat"
    if len(sources) == 1 or strategy == "concat":
        reading.silence("mix_strategy", "interleave_probs")
        return sources
    ours = {"interleave_under": "first_exhausted", "interleave_over": "all_exhausted"}.get(strategy)
    if ours is None:
        reading.refuse(
            "mix_strategy", f"{strategy} does not exist here; concat, interleave_under and interleave_over do"
        )
        return sources
    reading.set("mix_strategy", mix_strategy=ours)
    given = reading.get("interleave_probs")
    shares = given if isinstance(given, list) else str(given or "").split(",")
    weights = [weight for share in shares if (weight := number(share)) is not None]
    if weights and len(weights) != len(sources):
        reading.refuse("interleave_probs", f"{len(weights)} shares for {len(sources)} data sets")
        return sources
    reading.silence("interleave_probs")
    return (
        [replace(source, weight=weight) for source, weight in zip(sources, weights, strict=True)]
        if weights
        else sources
    )


def _source(name: str, entry: Mapping[str, object], folder: str, samples: float | None, text: bool) -> Source | str:
    """One data set as dataset_info.json describes it, or what is asked of it that does not exist here."""
    if entry.get("script_url"):
        return f"{name} is made of a script of its own, which can't be read here"
    columns = entry.get("columns")
    columns = columns if isinstance(columns, Mapping) else {}
    if media := sorted({"images", "videos", "audios"} & set(columns)):
        return f"{name} has {media[0]}: {_IMAGES}"
    place = text_of(entry, "hf_hub_url", "path")
    file = text_of(entry, "file_name")
    if place is None and file is not None:
        place = f"{folder}/{file}" if not file.startswith("/") else file
    size = number(entry.get("size") or entry.get("num_samples"))
    rows = min((count for count in (size, samples) if count), default=None)
    plain = Source(
        place or name,
        config=text_of(entry, "subset"),
        split=text_of(entry, "split"),
        max_samples=int(rows) if rows else None,
    )
    kind = text_of(entry, "formatting", "converter") or "alpaca"
    if text:
        return replace(plain, format="text", text_field=text_of(columns, "prompt"))
    if entry.get("ranking") or "kto_tag" in columns or "chosen" in columns:
        return llama_factory_source(columns, kind, plain)
    if kind in {"sharegpt", "openai"}:
        messages = text_of(columns, "messages") or ("conversations" if kind == "sharegpt" else "messages")
        return replace(plain, messages_field=messages)
    return replace(
        plain,
        format="alpaca" if entry else None,
        prompt_field=text_of(columns, "prompt"),
        input_field=text_of(columns, "query"),
        completion_field=text_of(columns, "response"),
    )


def _method(reading: Reading, key: str) -> None:
    kind = reading.text(key).lower() or ("lora" if key == "finetuning_type" else "full")
    bits = number(reading.get("quantization_bit")) or (4 if "bnb" in reading.text("quant_config.name") else 0)
    reading.silence("quantization_bit", "quantization_method", "quant_config.name", "quant_config.quantization_bit")
    if reading.text("quantization_method") not in {"", "bnb", "bitsandbytes"}:
        reading.refuse("quantization_method", "only bitsandbytes quantizes a model for training here")
    if kind == "lora":
        reading.set(key, method="qlora" if bits == 4 else "lora")
        if bits == 8:
            reading.set("quantization_bit", quantization="int8")
        elif bits not in {0, 4}:
            reading.refuse("quantization_bit", f"{bits:g} bits do not exist here; 4 and 8 do")
        if not reading.get("lora_rank") and key == "finetuning_type":
            reading.settings["lora_r"] = 8
    elif kind in {"full", ""}:
        reading.set(key, method="full")
        if bits:
            reading.refuse("quantization_bit", "quantized weights can't be trained themselves")
    elif kind == "freeze":
        layers = (
            number(reading.get("freeze_trainable_layers") or reading.get("peft_config.freeze_trainable_layers")) or 2
        )
        reading.set(key, method="full", unfrozen_layers=str(int(layers)))
        for name in ("freeze_trainable_layers", "freeze_trainable_modules", "freeze_extra_modules"):
            reading.silence(name, f"peft_config.{name}")
    else:
        reading.refuse(key, f"the method '{kind}' does not exist here; full, freeze and lora do")


def _evaluation(reading: Reading) -> None:
    held_out = number(reading.get("val_size")) or 0
    of_its_own = "eval_dataset" in reading.values and reading.text("eval_dataset")
    if not held_out and not of_its_own:
        reading.silence("val_size", "eval_strategy", "evaluation_strategy", "eval_steps", "per_device_eval_batch_size")
        return
    strategy = reading.text("eval_strategy") or reading.text("evaluation_strategy") or "no"
    if held_out:
        reading.set("val_size", validation_split=held_out)
    key = "eval_strategy" if "eval_strategy" in reading.values else "evaluation_strategy"
    reading.set(key, eval_strategy=strategy)


def _targets(reading: Reading, key: str) -> None:
    given = reading.values[key]
    names = given if isinstance(given, list) else str(given).split(",")
    joined = ",".join(str(name).strip() for name in names)
    reading.set(key, lora_target_modules="all-linear" if joined == "all" else joined)


_METHODS = "this way to train does not exist here"
TABLE: Mapping[str, Rule] = {
    "model_name_or_path": to("model_name_or_path"), "model": to("model_name_or_path"), "model_revision": to("model_revision"),
    "do_train": silent, "optim_config.name": to("optim"), "optim_config.wd": to("weight_decay"), "optim_config.*": silent,
    "model_class": expecting("llm", "LLM", reason=_IMAGES), "adapter_name_or_path": to("model_name_or_path", reason="training continues with that adapter"),
    "trust_remote_code": ignored("program code of models is never run"), "cache_dir": ignored("set HF_HOME"), "hf_hub_token": silent,
    "template": ignored("the model's own chat template is used"), "enable_thinking": silent, "default_system": refused("a system prompt for all rows does not exist here"),
    "tool_format": silent, "train_on_prompt": to("completion_only_loss", is_off), "mask_history": refused("training on the last turn only does not exist here"),
    "cutoff_len": to("max_length"), "packing": to("packing"), "neat_packing": to("packing"), "batching_strategy": silent, "streaming": refused("streaming does not exist here"),
    "preprocessing_num_workers": silent, "preprocessing_batch_size": silent, "dataloader_*": silent, "overwrite_cache": ignored(CACHING), "tokenized_path": ignored(CACHING), "buffer_size": silent,
    "dataset_info": silent, "media_dir": silent, "image_*": silent, "video_*": silent, "audio_*": silent, "freeze_vision_tower": silent, "freeze_multi_modal_projector": silent, "freeze_language_model": refused(_IMAGES),
    "lora_rank": to("lora_r"), "lora_alpha": to("lora_alpha"), "lora_dropout": to("lora_dropout"), "lora_target": _targets, "loraplus_lr_ratio": to("loraplus_lr_ratio"),
    "use_rslora": to("use_rslora"), "use_dora": to("use_dora"), "additional_target": silent, "create_new_adapter": silent,
    "peft_config.r": to("lora_r"), "peft_config.lora_alpha": to("lora_alpha"), "peft_config.lora_dropout": to("lora_dropout"), "peft_config.target_modules": _targets, "peft_config.*": silent,
    "pissa_*": refused(_METHODS), "use_llama_pro": refused(_METHODS), "mixture_of_depths": refused(_METHODS), "use_galore": refused(_METHODS), "galore_*": silent, "use_apollo": refused(_METHODS), "apollo_*": silent,
    "use_badam": refused(_METHODS), "badam_*": silent, "use_adam_mini": refused("the optimizer Adam-mini does not exist here"), "use_muon": to("optim", lambda value: "muon"), "oft_*": silent, "use_kt": refused("KTransformers does not exist here"), "kt_*": silent,
    "use_dft_loss": refused("this loss does not exist here"), "use_asft_loss": refused("this loss does not exist here"), "asft_*": silent, "use_eaft_loss": refused("this loss does not exist here"), "eaft_*": silent, "pref_*": silent, "kto_*": silent,
    "fp8": refused("fp8 does not exist here"), "fp8_*": silent, "double_quantization": to("double_quantization"), "quantization_type": silent, "quant_config*": silent, "upcast_*": silent,
    "neftune_noise_alpha": to("neftune_noise_alpha", lambda value: value or None), "resize_vocab": refused("tokens that the tokenizer does not have can't be added"), "new_special_tokens_config": refused("tokens that the tokenizer does not have can't be added"), "add_tokens": refused("tokens that the tokenizer does not have can't be added"), "add_special_tokens": refused("tokens that the tokenizer does not have can't be added"), "init_special_tokens": silent,
    "per_device_train_batch_size": to("per_device_train_batch_size"), "micro_batch_size": to("per_device_train_batch_size"), "per_device_eval_batch_size": to("per_device_eval_batch_size"), "gradient_accumulation_steps": to("gradient_accumulation_steps"), "global_batch_size": silent,
    "learning_rate": to("learning_rate"), "num_train_epochs": to("num_train_epochs"), "max_steps": to("max_steps"), "lr_scheduler_type": to("lr_scheduler_type"), "warmup_ratio": to("warmup_steps"), "warmup_steps": to("warmup_steps"),
    "weight_decay": to("weight_decay"), "max_grad_norm": to("max_grad_norm"), "adam_beta1": to("adam_beta1"), "adam_beta2": to("adam_beta2"), "adam_epsilon": to("adam_epsilon"), "optim": to("optim"), "seed": to("seed"), "data_seed": silent, "group_by_length": to("group_by_length"),
    "bf16": to("bf16"), "fp16": to("fp16"), "pure_bf16": to("bf16"), "tf32": silent, "gradient_checkpointing": to("gradient_checkpointing"), "disable_gradient_checkpointing": to("gradient_checkpointing", is_off), "use_reentrant_gc": silent, "use_unsloth*": silent,
    "flash_attn": ignored(SPEED), "attn_implementation": ignored(SPEED), "shift_attn": refused("shifted sparse attention does not exist here"), "enable_liger_kernel": ignored(SPEED), "use_v1_kernels": silent, "kernel_config.*": silent, "torch_compile": ignored(SPEED), "rope_scaling": refused("a model's context can't be stretched here"),
    "logging_steps": to("logging_steps"), "save_steps": to("save_steps"), "save_strategy": to("save_strategy"), "eval_steps": to("eval_steps"), "save_total_limit": to("save_total_limit"), "save_only_model": to("save_only_model"), "output_dir": to("output_dir"), "plot_loss": silent, "overwrite_output_dir": ignored("a run is never overwritten"), "run_name": ignored(LOGGING), "logging_dir": silent, "logging_first_step": silent, "logging_strategy": silent,
    "report_to": to("report_to"), "use_swanlab": ignored(LOGGING), "swanlab_*": silent, "include_*": silent, "compute_accuracy": ignored(LOGGING), "predict_with_generate": ignored("replies are tried in the chat"), "do_predict": ignored("replies are tried in the chat"), "do_eval": silent, "load_best_model_at_end": silent, "metric_for_best_model": silent,
    "resume_from_checkpoint": ignored("`finetune-tui resume` resumes a run"), "push_to_hub": ignored(HUB), "hub_*": silent, "ddp_*": silent, "deepspeed": ignored(HARDWARE), "fsdp*": ignored(HARDWARE), "dist_config.*": silent, "init_config.*": silent, "ray_*": silent, "use_ray": ignored(HARDWARE), "resources_per_worker*": silent, "placement_strategy": silent, "master_*": silent, "low_cpu_mem_usage": silent, "debug": silent,
    "sample_backend": silent, "max_new_tokens": silent, "temperature": silent, "top_*": silent, "infer_*": silent, "infer_dtype": silent,
    "tensor_model_parallel_size": expecting(1, reason="a model is not split over GPUs here"), "pipeline_model_parallel_size": expecting(1, reason="a model is not split over GPUs here"), "context_parallel_size": expecting(1, reason="a text is not split over GPUs here"), "expert_model_parallel_size": expecting(1, reason="a model is not split over GPUs here"), "cp_size": expecting(1, reason="a text is not split over GPUs here"),
    "bias_activation_fusion": silent, "apply_rope_fusion": silent, "overlap_*": silent, "use_distributed_optimizer": silent, "moe_*": silent, "recompute_granularity": silent, "export_hf_on_finish": silent, "use_packed_sequences": silent, "sequence_parallel": silent,
}  # fmt: skip
"""What becomes of each key of LLaMA-Factory's."""
