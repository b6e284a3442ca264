"""Packed models: what bitsandbytes makes of a model's linear layers, and what that takes."""

from __future__ import annotations

import logging
import warnings
from importlib.util import find_spec
from typing import TYPE_CHECKING

from tui_finetune.errors import UserError

if TYPE_CHECKING:
    from transformers import BitsAndBytesConfig

    from tui_finetune.models.devices import Precision

INSTALL = "pip install 'finetune-tui[quantization]'"

BLOCK, BLOCKS = 64, 256
"""nf4 has a scale for so many weights, and double quantization a scale for so many scales."""


def packed_bytes(weights: int, outputs: int, kind: str, *, double: bool) -> int:
    """Bytes of a packed linear layer.

    Args:
        weights: how many it has.
        outputs: its rows, each of which has a scale in int8.
        kind: 'nf4' or 'int8'.
        double: with nf4, whether the scales are packed too.
    """
    if kind == "int8":
        return weights + 4 * outputs
    bits = 4 + (8 / BLOCK + 32 / (BLOCK * BLOCKS) if double else 32 / BLOCK)
    return int(weights * bits / 8)


def check_installed(kind: str) -> None:
    """Raises UserError where bitsandbytes is missing."""
    if find_spec("bitsandbytes") is None:
        raise UserError(
            f"a model packed as {kind} needs bitsandbytes, which is not installed",
            f"{INSTALL}; or set method: lora, which needs none of it and more memory",
            "quantization",
        )


def packing(kind: str, precision: Precision, *, double: bool) -> BitsAndBytesConfig:
    """How transformers is to pack a model while it is loaded.

    Args:
        kind: 'nf4' or 'int8'.
        precision: that of the computation.
        double: with nf4, pack the scales too.
    """
    import torch
    from transformers import BitsAndBytesConfig

    _quiet_bitsandbytes()
    if kind == "int8":
        return BitsAndBytesConfig(load_in_8bit=True)
    dtypes = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16, "pure_bf16": torch.bfloat16}
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=double,
        bnb_4bit_compute_dtype=dtypes[precision],
    )


def _quiet_bitsandbytes() -> None:
    """It warns of every cast of a matrix, and logs what it was built for."""
    warnings.filterwarnings("ignore", module="bitsandbytes.*")
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
