"""Whether a model keeps packed documents apart."""

from __future__ import annotations

from typing import Any

import torch

TOLERANCE = 1e-4
"""Largest difference of logits, relative to their size, that counts as the same, in fp32."""


def keeps_documents_apart(model: Any, vocab_size: int) -> bool:
    """Compare the logits of two short documents in one row with those of each alone.

    The row is what packing makes: `position_ids` that start again at each document, no attention mask. A model that
    doesn't tell documents apart by that lets the second one see the first, and its logits differ by far more than
    rounding does.

    Args:
        model: a causal language model on any device; it is left in the mode it was in.
        vocab_size: token ids are drawn from below this.
    """
    generator = torch.Generator().manual_seed(0)
    device = next(model.parameters()).device
    lengths = (7, 9)
    documents = [torch.randint(0, vocab_size, (1, length), generator=generator).to(device) for length in lengths]
    positions = torch.cat([torch.arange(length) for length in lengths]).unsqueeze(0).to(device)
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            packed = model(input_ids=torch.cat(documents, dim=1), position_ids=positions, use_cache=False).logits
            alone = torch.cat([model(input_ids=document, use_cache=False).logits for document in documents], dim=1)
    except (TypeError, ValueError, RuntimeError):
        # The model takes no position_ids, or can't compute without a mask.
        return False
    finally:
        model.train(training)
    scale = alone.abs().max().clamp(min=1.0)
    return bool((packed - alone).abs().max() <= TOLERANCE * scale)
