"""A run as a training script that a person could have written: its text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tui_finetune.config.schema import RunConfig, settings
from tui_finetune.errors import UserError
from tui_finetune.export.script import sections

if TYPE_CHECKING:
    from tui_finetune.models.devices import Precision

USED = frozenset({
    "model_name_or_path", "model_revision", "max_length", "packing", "padding", "group_by_length",
    "excess_length_strategy", "completion_only_loss", "assistant_only_loss", "train_on_eos", "validation_split",
    "num_train_epochs", "max_steps", "per_device_train_batch_size", "per_device_eval_batch_size",
    "gradient_accumulation_steps", "learning_rate", "lr_scheduler_type", "warmup_steps", "weight_decay", "max_grad_norm",
    "optim", "seed", "early_stopping_patience", "logging_steps", "eval_strategy", "eval_steps", "eval_loss_average",
    "precision", "gradient_checkpointing", "save_dtype", "neftune_noise_alpha",
    "method", "lora_r", "lora_alpha", "lora_dropout", "lora_target_modules", "use_dora", "use_rslora", "quantization",
    "double_quantization", "adam_beta1", "adam_beta2", "adam_epsilon", "min_lr_rate", "attn_implementation",
    "chunked_cross_entropy", "split_special_tokens", "preserve_thinking",  # the last two are in the rows, which are compared
    "datasets", "mix_strategy", "eval_dataset", "dataset_eval_split",  # of several data sets the rows are taken as they are
})  # fmt: skip
"""Settings that the script carries out."""

WITHOUT_EFFECT = frozenset({
    "dataset_name", "dataset_config", "dataset_train_split", "max_samples", "dataset_format", "dataset_text_field",
    "dataset_messages_field", "dataset_prompt_field", "dataset_input_field", "dataset_completion_field",  # in data.jsonl
    "dataset_label_field", "save_strategy", "save_steps", "save_total_limit", "save_only_model", "output_dir",
    "final_model_dir", "report_to", "decay_steps", "tf32", "eval_on_start", "sample_prompts",
    "check_before_training", "notify", "notify_command", "gpus", "distributed", "max_restarts", "num_machines", "machine_rank",
    "main_process_ip", "main_process_port", "ddp_timeout", "num_processes",  # of the last more than one is refused
})  # fmt: skip
"""Settings that the losses don't depend on."""

BEYOND = {
    "optim": ("lion", "muon"),
    "lr_scheduler_type": ("warmup_stable_decay",),
    "attn_implementation": ("eager", "flash_attention_2", "flex_attention"),
}
"""Values that the script can't carry out."""

TRAINER = {
    "num_train_epochs": 3.0, "max_steps": -1, "per_device_train_batch_size": None, "per_device_eval_batch_size": None,
    "gradient_accumulation_steps": None, "learning_rate": None, "lr_scheduler_type": "linear", "warmup_steps": 0,
    "weight_decay": 0.0, "max_grad_norm": 1.0, "optim": "adamw_torch_fused", "seed": None, "logging_steps": None,
    "neftune_noise_alpha": None, "adam_beta1": 0.9, "adam_beta2": 0.999, "adam_epsilon": 1e-8,
}  # fmt: skip
"""Settings that Trainer takes by the same name, and where it is left out when it has that value: Trainer's own default."""


@dataclass(frozen=True)
class Recipe:
    """What the script depends on beside the settings.

    Attributes:
        run_name: of the run.
        model: what the script loads: a name on the hub, or a folder.
        revision: the commit on the hub; None for a folder.
        in_folder: whether `model` is a folder beside the script.
        format: what the documents are: 'text', 'completion' or 'conversation'.
        plain: whether rows are made as the tutorial's script makes them.
        packed: whether rows hold several documents.
        evaluates: whether documents are kept for evaluation.
        precision: number format of the computation.
        save_dtype: number format of the final weights, as torch names it.
        own_template: whether the chat template is in a file beside the script.
        end_of_turn: the token that ends a turn of the assistant, '' where there is none.
        end_id: its id, where generation has to be told of it.
        has_end: whether the tokenizer has an end-of-text token.
        dtype: number format that the model is loaded in, as torch names it.
        lora: what LoraConfig is given, where an adapter is trained.
        packing: what BitsAndBytesConfig is given, where the model is packed.
        ready: why the rows are taken as they are from a folder beside the script; '' where the script makes them.
        versions: of the libraries, as pip takes them.
    """

    run_name: str
    model: str
    revision: str | None
    in_folder: bool
    format: str
    plain: bool
    packed: bool
    evaluates: bool
    precision: Precision
    save_dtype: str
    dtype: str = "float32"
    lora: Mapping[str, object] = field(default_factory=dict)
    packing: Mapping[str, object] = field(default_factory=dict)
    own_template: bool = False
    end_of_turn: str = ""
    end_id: int | None = None
    has_end: bool = True
    ready: str = ""
    versions: str = ""


def check_settings(config: RunConfig) -> None:
    """Raise UserError where a setting is in use that the script can't carry out."""
    for key, item in settings().items():
        unknown = key not in USED and key not in WITHOUT_EFFECT and getattr(config, key) != item.default
        several = key == "num_processes" and config.num_processes not in {None, 1}
        if unknown or several or getattr(config, key) in BEYOND.get(key, ()):
            raise UserError(
                f"a script can't carry out {key}: {item.show(getattr(config, key))} yet",
                "the configuration can: `finetune-tui train` with the run's config.yaml",
                setting=key,
            )


def script(config: RunConfig, recipe: Recipe) -> str:
    """The text of train.py."""
    parts = [_header(config, recipe), _constants(config, recipe), _tokenizer(recipe)]
    if recipe.ready:
        parts.append(sections.READY_ROWS.format(why=recipe.ready))
    else:
        parts += _rows(config, recipe)
    if not recipe.plain:
        parts.append(sections.COLLATE_PACKED if recipe.packed else sections.COLLATE_PADDED)
    if recipe.packed:
        parts.append(sections.ATTENTION)
    grouped = _groups(config, recipe)
    if grouped:
        parts.append(sections.SAMPLER)
    if methods := [sections.TOKEN_MEAN] * _token_mean(config, recipe) + [sections.GROUPED] * grouped:
        parts.append("class RunTrainer(Trainer):\n" + "\n".join(methods))
    parts.append(_main(config, recipe))
    return "\n\n".join(part.rstrip() + "\n" for part in parts) + '\n\nif __name__ == "__main__":\n    main()\n'


def _token_mean(config: RunConfig, recipe: Recipe) -> bool:
    return recipe.evaluates and config.eval_strategy != "no" and config.eval_loss_average == "tokens"


def _groups(config: RunConfig, recipe: Recipe) -> bool:
    return bool(config.group_by_length) and not recipe.packed and config.padding == "longest"


def _early_stopping(config: RunConfig, recipe: Recipe) -> bool:
    return recipe.evaluates and config.eval_strategy != "no" and config.early_stopping_patience > 0


def _header(config: RunConfig, recipe: Recipe) -> str:
    grouped, makes = _groups(config, recipe), not recipe.ready
    plain = {"json": makes, "functools": not recipe.plain}
    datasets = {
        "Dataset": makes,
        "load_from_disk": not makes,
    }
    transformers = {
        "AutoModelForCausalLM": True,
        "AutoTokenizer": True,
        "BitsAndBytesConfig": bool(recipe.packing),
        "DataCollatorForLanguageModeling": recipe.plain,
        "EarlyStoppingCallback": _early_stopping(config, recipe),
        "Trainer": True,
        "TrainingArguments": True,
    }
    if recipe.packed:
        transformers = {"AttentionInterface": True, **transformers}
    lines = [f"import {name}" for name in sorted(name for name, used in plain.items() if used)]
    lines += ["from pathlib import Path", ""]
    lines += ["import numpy as np"] * grouped
    lines += ["import torch", f"from datasets import {', '.join(name for name, used in datasets.items() if used)}"]
    lines += ["from peft import LoraConfig, get_peft_model"] * bool(recipe.lora)
    lines += ["from torch.utils.data import Sampler"] * grouped
    lines += ["from transformers import (", *(f"    {name}," for name, used in transformers.items() if used), ")"]
    lines += ["from transformers.integrations.sdpa_attention import sdpa_attention_forward"] * recipe.packed
    lines += ["from transformers.trainer_utils import EvalLoopOutput"] * _token_mean(config, recipe)
    exact = "but for rounding" if config.chunked_cross_entropy else "to the last digit"
    return _ABOUT.format(name=recipe.run_name, versions=recipe.versions, exact=exact) + "\n" + "\n".join(lines)


_ABOUT = '''\
"""The run {name} as a script.

    pip install {versions}
    python train.py

It gives the losses of the run: on a CPU, with these versions and as many threads, {exact}. The model is written
to the folder `final`, beside this file.
"""
'''


def _constants(config: RunConfig, recipe: Recipe) -> str:
    model = f"str(HERE / {_value(recipe.model)})" if recipe.in_folder else _value(recipe.model)
    lines = ["HERE = Path(__file__).resolve().parent", f"MODEL = {model}", f"REVISION = {_value(recipe.revision)}"]
    if not recipe.ready:
        lines += [f"MAX_LENGTH = {config.max_length}  # tokens in a row"]
        if recipe.evaluates:
            kept = config.validation_split
            share = "number" if kept >= 1 else "share"
            shown = int(kept) if kept >= 1 else kept
            lines += [f"VALIDATION = {shown}  # {share} of the documents that are kept for evaluation"]
        if recipe.format == "conversation":
            lines += [f"END_OF_TURN = {_value(recipe.end_of_turn)}  # what the assistant ends its turns with"]
    if not recipe.plain and not recipe.packed:
        width = config.max_length if _pads(config) else None
        lines += [f"WIDTH = {width}  # tokens that rows are padded to; None for the longest of the batch"]
    return "\n".join([*lines, f"SEED = {config.seed}"])


def _tokenizer(recipe: Recipe) -> str:
    text = sections.LOAD_TOKENIZER
    return text.replace("    return", sections.OWN_TEMPLATE + "    return") if recipe.own_template else text


def _pads(config: RunConfig) -> bool:
    return config.padding == "max_length"


def _rows(config: RunConfig, recipe: Recipe) -> list[str]:
    if recipe.plain:
        rows = sections.PLAIN_ROWS + (sections.PLAIN_SPLIT if recipe.evaluates else sections.PLAIN_ALL)
        return [rows.replace("truncation=True", 'truncation=True, padding="max_length"')] if _pads(config) else [rows]
    ended = config.train_on_eos and recipe.has_end
    tokenize = {
        "text": sections.TEXT if ended else sections.TEXT_NO_END,
        "completion": sections.COMPLETION,
        "conversation": sections.CONVERSATION,
    }[recipe.format]
    strategy = config.excess_length_strategy
    splits = strategy == "split" and recipe.format == "text"
    chunks = sections.DROP if strategy == "drop" else sections.SPLIT if splits else sections.TRUNCATE
    if recipe.packed:
        rows = sections.PACKED_ROWS if recipe.evaluates else sections.PACKED_ROWS_ONLY
        return [tokenize, chunks, sections.PACK, rows]
    return [tokenize, chunks, sections.PADDED_ROWS if recipe.evaluates else sections.PADDED_ROWS_ONLY]


def _main(config: RunConfig, recipe: Recipe) -> str:
    custom = _token_mean(config, recipe) or _groups(config, recipe)
    plain = "DataCollatorForLanguageModeling(tokenizer, mlm=False)"
    collator = plain if recipe.plain else "functools.partial(collate, pad=tokenizer.pad_token_id)"
    attention = (
        [
            "    if not torch.cuda.is_available():",
            '        AttentionInterface.register("sdpa", attend)',
        ]
        if recipe.packed
        else []
    )
    callbacks = (
        [f"        callbacks=[EarlyStoppingCallback({config.early_stopping_patience})],"]
        if _early_stopping(config, recipe)
        else []
    )
    return "\n".join(
        [
            "def main():",
            "    tokenizer = load_tokenizer()",
            "    train, evaluation = make_rows(tokenizer)",
            *_model(recipe),
            *attention,
            "    arguments = TrainingArguments(",
            *(f"        {name}={_value(value)}," for name, value in _arguments(config, recipe).items()),
            *["        use_cpu=not torch.cuda.is_available(),"] * (recipe.precision != "fp32"),
            "    )",
            f"    trainer = {'RunTrainer' if custom else 'Trainer'}(",
            "        model=model,",
            "        args=arguments,",
            "        train_dataset=train,",
            "        eval_dataset=evaluation,",
            f"        data_collator={collator},",
            "        processing_class=tokenizer,",
            *callbacks,
            "    )",
            "    trainer.train()",
            "    trainer.save_state()  # the losses are in trainer_state.json",
            *_ending(recipe),
        ]
    )


def _model(recipe: Recipe) -> list[str]:
    """Loading the model, and attaching an adapter to it."""
    if not recipe.packing:
        load = f"    model = AutoModelForCausalLM.from_pretrained(MODEL, revision=REVISION, dtype=torch.{recipe.dtype})"
        lines = [load]
    else:
        lines = [
            "    packing = BitsAndBytesConfig(",
            *(f"        {name}={_value(value)}," for name, value in recipe.packing.items()),
            "    )",
            "    model = AutoModelForCausalLM.from_pretrained(",
            f"        MODEL, revision=REVISION, dtype=torch.{recipe.dtype}, quantization_config=packing,",
            '        device_map={"": "cuda" if torch.cuda.is_available() else "cpu"},',
            "    )",
        ]
    if recipe.lora:
        lines += [
            "    torch.manual_seed(SEED)  # the adapter begins with random numbers",
            "    adapter = LoraConfig(",
            '        task_type="CAUSAL_LM",',
            *(f"        {name}={_value(value)}," for name, value in recipe.lora.items()),
            "    )",
            "    model = get_peft_model(model, adapter)",
        ]
    return lines


TORCH_NAMES = ("float32", "bfloat16", "float16")


def _value(value: object) -> str:
    """As code; a number format of torch is a name."""
    if isinstance(value, str):
        return f"torch.{value}" if value in TORCH_NAMES else json.dumps(value, ensure_ascii=False)
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_value(item) for item in value)}]"
    return repr(value)


def _ending(recipe: Recipe) -> list[str]:
    lines = []
    if recipe.end_id is not None:
        lines += [
            f"    generation = {'model.get_base_model()' if recipe.lora else 'model'}.generation_config",
            "    ends = generation.eos_token_id",
            "    ends = [] if ends is None else [ends] if isinstance(ends, int) else ends",
            f"    generation.eos_token_id = [*ends, {recipe.end_id}]  # replies end there",
        ]
    if recipe.save_dtype != "float32" and not recipe.lora:
        lines += [f"    model.to(torch.{recipe.save_dtype})"]
    merge = "  # the adapter; model.merge_and_unload() would add it into the weights" if recipe.lora else ""
    return [*lines, f'    trainer.save_model(str(HERE / "final")){merge}']


def _arguments(config: RunConfig, recipe: Recipe) -> dict[str, object]:
    """What TrainingArguments is given: what is other than its defaults, and what a reader looks for."""
    found: dict[str, object] = {"output_dir": "checkpoints"}
    for key, usual in TRAINER.items():
        value = getattr(config, key)
        if value != usual:
            found[key] = value
    if config.lr_scheduler_type == "cosine_with_min_lr":
        found["lr_scheduler_kwargs"] = {"min_lr_rate": config.min_lr_rate}
    if config.max_steps > 0:
        found.pop("num_train_epochs", None)
    found["logging_nan_inf_filter"] = False
    if recipe.evaluates and config.eval_strategy != "no":
        by_steps = config.eval_strategy == "steps"
        every = config.eval_steps or config.logging_steps
        found |= {"eval_strategy": config.eval_strategy, "save_strategy": config.eval_strategy}
        found |= {"eval_steps": every, "save_steps": every} if by_steps else {}
        found |= {"save_total_limit": 2, "load_best_model_at_end": True}
        found |= {"metric_for_best_model": "eval_loss", "greater_is_better": False}
    else:
        found |= {"save_strategy": "epoch", "save_total_limit": 2}
    if config.gradient_checkpointing:
        found |= {"gradient_checkpointing": True, "gradient_checkpointing_kwargs": {"use_reentrant": False}}
    if recipe.precision in {"bf16", "fp16"}:
        found[recipe.precision] = True
    return found | {"remove_unused_columns": False, "label_names": ["labels"], "report_to": "none"}
