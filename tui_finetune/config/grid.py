"""A small grid of settings: `--learning_rate 1e-4,3e-4 --lora_r 8,16` is four runs."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass

from tui_finetune.errors import UserError

MOST_RUNS = 256
"""Runs of one grid; a hand that slips is not to fill the queue."""

_WITH_COMMAS = frozenset(
    {"lora_target_modules", "trainable_token_indices", "unfrozen_layers", "sample_prompts", "notify_command",
     "output_dir", "final_model_dir"}
)  # fmt: skip
"""Settings whose own values may have commas in them."""


@dataclass(frozen=True)
class Grid:
    """The settings of some runs.

    Attributes:
        fixed: those that all of them have.
        varied: of each run those in which they differ.
    """

    fixed: Mapping[str, str]
    varied: tuple[Mapping[str, str], ...]


def alternatives(key: str, value: str) -> list[str]:
    """The values that a setting is to have in turn: between commas, or between semicolons where values have commas.

    Raises:
        UserError: one is empty, or is there twice.
    """
    sign = ";" if ";" in value or key in _WITH_COMMAS else ","
    parts = [part.strip() for part in value.split(sign)]
    if len(parts) > 1 and "" in parts:
        raise UserError(f"{key}: '{value}' has an empty value", f"write the values with '{sign}' between them", key)
    if twice := next((part for part in parts if parts.count(part) > 1), None):
        raise UserError(f"{key}: {twice} is there twice", "write each value once", key)
    return parts


def grid(given: Mapping[str, str]) -> Grid:
    """The runs that some settings amount to: every value of each with every value of the others.

    Args:
        given: settings as they were given, some with several values.

    Raises:
        UserError: a value is empty or there twice, only one run comes of it, or too many do.
    """
    values = {key: alternatives(key, value) for key, value in given.items()}
    several = {key: found for key, found in values.items() if len(found) > 1}
    if not several:
        raise UserError(
            "no setting has several values, so there is nothing to sweep",
            "write values with commas between them, as in `--learning_rate 1e-4,3e-4`",
        )
    count = math.prod(map(len, several.values()))
    if count > MOST_RUNS:
        raise UserError(f"that would be {count:,} runs, more than {MOST_RUNS}", "leave some of the values out")
    product = itertools.product(*several.values())
    return Grid(
        {key: found[0] for key, found in values.items() if key not in several},
        tuple(dict(zip(several, combination, strict=True)) for combination in product),
    )
