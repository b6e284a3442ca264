"""What other tools' configurations ask for where preferences are learned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from tui_finetune.config.other_tools.conversion import Reading, number
from tui_finetune.config.other_tools.sources import Source, text_of

LOSSES = frozenset({"sigmoid", "hinge", "ipo", "apo_zero", "apo_down", "sigmoid_norm"})
"""The losses of DPO that exist here."""

TEMPLATE = "replies are put into words by the model's own chat template"

# axolotl

_COLUMNS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "argilla": {"prompt": "instruction", "chosen": "chosen_response", "rejected": "rejected_response"},
        "icr": {"prompt": "input"},
        "intel": {"prompt": "question"},
        "prompt_pairs": {"prompt": "prompt"},
        "ultra": {},
        "argilla_chat": {},
        "default": {},
        "nectar": {"prompt": "prompt"},
    }
)
"""The columns of axolotl's prompt strategies for pairs, where they are not found by their names."""


def axolotl_task(reading: Reading) -> str:
    """The task that axolotl's `rl` asks for, and what belongs to it; '' where it asks for none."""
    wanted = reading.text("rl").lower()
    if wanted in {"", "false"}:
        return ""
    if wanted == "ipo":
        reading.set("rl", task="dpo", loss_type="ipo")
    elif wanted in {"dpo", "orpo", "kto"}:
        reading.set("rl", task=wanted)
    else:
        reading.refuse("rl", f"{wanted} does not exist here; dpo, ipo, orpo and kto do")
        return ""
    for key, setting in (
        ("rl_beta", "beta"), ("dpo_beta", "beta"), ("orpo_alpha", "beta"), ("kto_desirable_weight", "desirable_weight"),
        ("kto_undesirable_weight", "undesirable_weight"), ("precompute_ref_log_probs", "precompute_ref_log_probs"),
    ):  # fmt: skip
        if reading.text(key):
            reading.set(key, **{setting: reading.get(key)})
    return "dpo" if wanted == "ipo" else wanted


def axolotl_pairs(entry: Mapping[str, object], kind: object, plain: Source) -> Source | str:
    """A data set of axolotl's for preferences; or what is asked of it that does not exist here.

    Args:
        entry: as it stands in `datasets`.
        kind: its `type`.
        plain: what is known of it by its place.
    """
    if isinstance(kind, Mapping):
        prompt, chosen, rejected = (text_of(kind, f"field_{part}") for part in ("prompt", "chosen", "rejected"))
        return replace(plain, prompt_field=prompt, chosen_field=chosen, rejected_field=rejected)
    _, _, variant = str(kind or "").partition(".")
    if (columns := _COLUMNS.get(variant or "default")) is None:
        return f"the prompt format '{kind}' does not exist here"
    messages = text_of(entry, "field_messages")
    chosen, rejected = text_of(entry, "field_chosen"), text_of(entry, "field_rejected")
    return replace(
        plain,
        prompt_field=messages or columns.get("prompt"),
        chosen_field=chosen or columns.get("chosen"),
        rejected_field=rejected or columns.get("rejected"),
    )


# LLaMA-Factory


def llama_factory_task(reading: Reading) -> str:
    """The task that LLaMA-Factory's `stage` asks for, and what belongs to it; '' where it can't be had here."""
    stage = reading.text("stage").lower() or "sft"
    if stage in {"sft", "pt"}:
        reading.silence("stage")
        return "sft"
    if stage not in {"dpo", "kto"}:
        reading.refuse("stage", f"{stage} does not exist here; sft, pt, dpo and kto do")
        return ""
    loss = reading.text("pref_loss").lower() or "sigmoid"
    task = "orpo" if stage == "dpo" and loss == "orpo" else stage
    reading.set("stage", task=task)
    reading.silence("pref_loss")
    if stage == "dpo" and loss != "orpo":
        if loss in LOSSES:
            reading.set("pref_loss", loss_type=loss)
        else:
            reading.refuse("pref_loss", f"{loss} does not exist here; {', '.join(sorted(LOSSES))} and orpo do")
    for key, setting in (
        ("pref_beta", "beta"), ("kto_chosen_weight", "desirable_weight"), ("kto_rejected_weight", "undesirable_weight")
    ):  # fmt: skip
        if reading.text(key):
            reading.set(key, **{setting: reading.get(key)})
    for key in ("pref_ftx", "kto_ftx", "dpo_label_smoothing"):
        if number(reading.get(key)):
            reading.refuse(key, "this addition to the loss does not exist here")
    if reading.text("ref_model"):
        reading.refuse("ref_model", "the model is compared with itself before training, and with no other")
    return task


def llama_factory_source(columns: Mapping[str, object], kind: str, plain: Source) -> Source:
    """A data set of LLaMA-Factory's with preferences.

    Args:
        columns: as dataset_info.json names them.
        kind: 'alpaca', 'sharegpt' or 'openai'.
        plain: what is known of it by its place.
    """
    is_talk = kind in {"sharegpt", "openai"}
    messages = text_of(columns, "messages") or ("conversations" if kind == "sharegpt" else "messages")
    asked = {"messages_field": messages} if is_talk else {
        "prompt_field": text_of(columns, "prompt"), "input_field": text_of(columns, "query")
    }  # fmt: skip
    found = replace(
        plain,
        **asked,
        chosen_field=text_of(columns, "chosen"),
        rejected_field=text_of(columns, "rejected"),
        label_field=text_of(columns, "kto_tag"),
    )
    return replace(found, completion_field=text_of(columns, "response")) if found.label_field and not is_talk else found


# TRL


def trl_task(reading: Reading) -> str:
    """The task whose keys a file of TRL's has, which doesn't name it; 'sft' where it has none."""
    pairs = {
        "beta",
        "loss_type",
        "precompute_ref_log_probs",
        "label_smoothing",
        "ref_model_mixup_alpha",
        "f_divergence_type",
    }
    loss = reading.text("loss_type").lower()
    if {"desirable_weight", "undesirable_weight"} & reading.values.keys() or loss == "kto":
        reading.silence("loss_type")
        return "kto"
    is_other = loss in {"nll", "dft", "chunked_nll"}  # those of sft
    if is_other or not (pairs & reading.values.keys()):
        return "sft"
    if loss and loss not in LOSSES:
        reading.refuse("loss_type", f"{loss} does not exist here; {', '.join(sorted(LOSSES))} do")
    elif loss:
        reading.set("loss_type", loss_type=loss)
    for key in ("label_smoothing", "f_divergence_type", "use_weighting", "sync_ref_model", "ld_alpha"):
        if key in reading.values:
            asks = reading.text(key) not in {"", "0", "0.0", "reverse_kl", "False"}
            reading.refuse(key, "this variant of DPO does not exist here") if asks else reading.silence(key)
    return "dpo"
