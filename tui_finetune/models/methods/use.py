"""A model loaded only to be used, with its adapter where it has one."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from tui_finetune.models.loading import load_model
from tui_finetune.models.located import LocatedModel
from tui_finetune.models.methods.peft_models import for_use
from tui_finetune.models.quantization import packing
from tui_finetune.system.progress import Report

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from tui_finetune.models.devices import Precision


def load_for_use(
    model: LocatedModel,
    tokenizer: PreTrainedTokenizerBase | None = None,
    precision: Precision = "fp32",
    report: Report | None = None,
) -> PreTrainedModel:
    """A model with its adapter, packed as it was when the adapter was trained.

    Without bitsandbytes it is loaded unpacked, which answers no worse and takes more memory.

    Args:
        model: which one.
        tokenizer: checked against its vocabulary.
        precision: of an adapter's model, in what it is kept and computed; others are loaded in fp32.
        report: progress; may raise Cancelled.

    Raises:
        UserError: it can't be had, or the adapter does not belong to it.
    """
    if model.adapter is None:
        return load_model(model, tokenizer=tokenizer, report=report)
    kind = model.adapter.base.quantization
    packed = packing(kind, precision, double=True) if kind != "none" and find_spec("bitsandbytes") else None
    loaded = load_model(model, tokenizer=tokenizer, dtype=precision, quantization=packed, report=report)
    return for_use(loaded, model.adapter)
