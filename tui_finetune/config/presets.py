"""Named sets of settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tui_finetune.errors import Notice, UserError


@dataclass(frozen=True)
class Preset:
    """Settings that go together.

    Attributes:
        name: what it is called.
        summary: one line on what it is for.
        values: the settings it makes; all others keep their defaults.
        weaknesses: what is known to be weak about it, each with the setting that mends it. Said when a run starts with it.
    """

    name: str
    summary: str
    values: Mapping[str, object] = field(default_factory=dict)
    weaknesses: tuple[Notice, ...] = ()


def _weak(message: str, remedy: str, setting: str) -> Notice:
    return Notice("info", message, remedy, setting)


SAMPLE_SETTINGS: Mapping[str, Mapping[str, object]] = {
    # Made to be overfitted: long enough for evaluation to turn, and evaluated often enough to stop soon after.
    "tiny": {"num_train_epochs": 20.0},
}
"""Settings that suit a sample: they stand between the model's and the preset's."""

KEPT = frozenset({
    "model_name_or_path", "dataset_name", "datasets", "mix_strategy", "eval_dataset", "dataset_config", "dataset_train_split",
    "dataset_eval_split", "output_dir",
})  # fmt: skip
"""What was chosen for these stays when another preset is chosen in the form."""

PRESETS = {
    preset.name: preset
    for preset in (
        Preset("default", "Good for most: exact packing, best checkpoint kept, early stopping."),
        Preset(
            "tutorial",
            "The recipe of the tutorial 'Training Your Own Model', number for number.",
            {
                "task": "sft",
                "method": "full",
                "unfrozen_layers": "all",
                "neftune_noise_alpha": None,
                "max_length": 512,
                "packing": False,
                "padding": "max_length",
                "group_by_length": False,
                "excess_length_strategy": "truncate",
                "train_on_eos": False,
                "split_special_tokens": False,
                "validation_split": 0.1,
                "num_train_epochs": 3.0,
                "per_device_train_batch_size": 8,
                "per_device_eval_batch_size": 8,
                "gradient_accumulation_steps": 2,
                "learning_rate": 2e-5,
                "weight_decay": 0.01,
                # What the script leaves at Trainer's defaults stays there, whatever the model's folder says suits it.
                "warmup_steps": 0.0,
                "lr_scheduler_type": "linear",
                "max_grad_norm": 1.0,
                "optim": "adamw_torch_fused",
                "max_steps": -1,
                "gradient_checkpointing": False,
                "chunked_cross_entropy": False,
                "attn_implementation": "auto",
                "use_liger_kernel": False,
                "torch_compile": False,
                "tf32": False,
                "adam_beta1": 0.9,
                "adam_beta2": 0.999,
                "adam_epsilon": 1e-8,
                "logging_steps": 50,
                "eval_strategy": "epoch",
                "eval_on_start": False,
                "eval_loss_average": "batches",
                "save_strategy": "epoch",
                "early_stopping_patience": 2,
                "precision": "fp16",
                "check_before_training": False,
                "seed": 42,
            },
            (
                _weak(
                    "Early stopping can't happen: with a patience of 2 it takes more than the three evaluations of three "
                    "epochs.",
                    "set early_stopping_patience: 1, or eval_strategy: steps",
                    "early_stopping_patience",
                ),
                _weak(
                    "Text beyond 512 tokens is cut off and never trained on.",
                    "set excess_length_strategy: split",
                    "excess_length_strategy",
                ),
                _weak(
                    "Every row is padded to 512 tokens, and computing the padding takes time too.",
                    "set packing: true, or padding: longest",
                    "packing",
                ),
                _weak(
                    "The end-of-text token is never trained on: the model will not know when to stop.",
                    "set train_on_eos: true",
                    "train_on_eos",
                ),
                _weak(
                    "Half precision is fp16 on every GPU, which can overflow.",
                    "set precision: auto, which uses bf16 where the device is good at it",
                    "precision",
                ),
            ),
        ),
        Preset(
            "quick",
            "A quick try, a few minutes at most: one epoch, at most 100 steps.",
            {"num_train_epochs": 1.0, "max_steps": 100, "eval_strategy": "steps", "eval_steps": 25, "logging_steps": 5},
        ),
        Preset(
            "lora",
            "A small adapter beside the frozen model: little memory, a few megabytes to save.",
            {"method": "lora"},
        ),
        Preset(
            "qlora",
            "An adapter on the model packed into 4 bits: for models that don't fit otherwise.",
            {"method": "qlora"},
        ),
        Preset("dpo", "Learn from pairs of a better and a worse reply, after fine-tuning.", {"task": "dpo"}),
        Preset("orpo", "Learn the better of two replies and the preference for it at once.", {"task": "orpo"}),
        Preset("kto", "Learn from single replies that are marked as good or bad.", {"task": "kto"}),
        Preset("full", "Every weight is trained: the most thorough, and the most memory.", {"method": "full"}),
    )
}


def preset(name: str) -> Preset:
    """The preset of that name; raises UserError where there is none."""
    if name not in PRESETS:
        raise UserError(f"there is no preset '{name}'", f"the presets are {', '.join(PRESETS)}")
    return PRESETS[name]
