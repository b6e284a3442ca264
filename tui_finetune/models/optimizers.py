"""What each optimizer keeps in memory for a weight that it trains. No torch."""

from __future__ import annotations

from collections.abc import Mapping

STATES: Mapping[str, float] = {
    "adamw_torch_fused": 2,
    "adamw_torch": 2,
    "lion": 1,
    "sgd": 0,
}
"""Numbers of the weight's own format for each weight: two moments, one, none."""

QUANTIZED: Mapping[str, float] = {"adamw_8bit": 2.04, "paged_adamw_8bit": 2.04, "paged_adamw_32bit": 8}
"""Bytes for each weight, whatever its format, with the scales of the blocks that 8-bit states are stored in."""


def state_bytes(optim: str, trained: int, trained_bytes: int, hidden: int, embeddings: int) -> int:
    """Bytes that an optimizer keeps.

    Args:
        optim: a value of the setting of that name.
        trained: how many weights it trains.
        trained_bytes: bytes of each.
        hidden: the hidden size of the model.
        embeddings: how many of the weights are input embeddings; bitsandbytes keeps two numbers in fp32 for these.
    """
    if optim in QUANTIZED:
        return int(QUANTIZED[optim] * (trained - embeddings) + 8 * embeddings)
    if optim == "muon":
        return int(trained_bytes * (trained + embeddings))
    if optim == "adafactor":
        # Sums of the rows and of the columns of each matrix.
        return int(8 * trained / max(hidden, 1))
    return int(STATES[optim] * trained * trained_bytes)
