"""The layers that get an adapter, where a regular expression says which."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from tui_finetune.errors import UserError
from tui_finetune.models.layers import Linear

OUTSIDE = ("lm_head", "embed_out", "embed_tokens", "wte", "wpe", "word_embeddings", "embed_in")
"""What a head or a table of embeddings is called; they are no layers that get an adapter."""

_NAMES = re.compile(r"[\w.\-]+(\s*,\s*[\w.\-]+)*,?")
_BEFORE = ("", "model.", "transformer.")
"""What files leave out of the names that layers have in the model."""


def is_pattern(targets: str) -> bool:
    """Whether lora_target_modules is a regular expression, and not names with commas between them."""
    return _NAMES.fullmatch(targets.strip()) is None


def fits(pattern: str, name: str) -> bool:
    """Whether a layer is meant by a regular expression, which must fit all of its name, as peft reads it."""
    return any(re.fullmatch(pattern, before + name) is not None for before in _BEFORE)


def check_pattern(pattern: str, linears: Sequence[Linear], weights: Iterable[str]) -> None:
    """Raises UserError where a regular expression is none, fits no layer, or fits embeddings or the head.

    Args:
        pattern: fits the whole names of layers.
        linears: the model's.
        weights: the names of all of its weights, where they are known.
    """
    try:
        re.compile(pattern)
    except re.error as error:
        raise UserError(
            f"lora_target_modules is no regular expression: {error}",
            "name the layers, with commas between them; or set all-linear",
            "lora_target_modules",
        ) from None
    names = [weight.removesuffix(".weight") for weight in weights]
    for name in names:
        if name.rpartition(".")[2] in OUTSIDE and fits(pattern, name):
            raise UserError(
                f"lora_target_modules fits {name}: tables of embeddings and heads get no adapter",
                "leave it out of the expression",
                "lora_target_modules",
            )
    if names and linears and not any(fits(pattern, linear.name) for linear in linears):
        raise UserError(
            "lora_target_modules fits no layer of this model: the expression must fit a whole name",
            f"the first is {linears[0].name}; or set all-linear",
            "lora_target_modules",
        )
