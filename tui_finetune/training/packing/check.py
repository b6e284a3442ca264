"""Whether a model keeps packed documents apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from tui_finetune.data.tokens.collate import PackedCollator
from tui_finetune.data.tokens.pack import pack
from tui_finetune.data.tokens.tokenize import Tokens

if TYPE_CHECKING:
    from transformers import PreTrainedModel

FIRST, SECOND = (9, 6), (7, 5)
"""Tokens of the documents of the two rows of a batch. The second row is shorter, so it is filled up."""

LEAK = 1e-5
"""By how much logits may change with another document, relative to their size. It is the same computation on the same
shapes, so they change by nothing but the rounding of models that sort tokens by expert. Models that mix neighboring
tokens by a convolution beside the attention change them by little, and must be found out too."""

ROUNDING = 1e-3
"""By how much they may differ from those of the document alone: other shapes, so devices that round to ten bits (TF32)
differ that much. Positions that are counted wrong make all of a difference."""


HALF_ROUNDING = 0.1
"""The same for a model whose weights are kept in half precision: each layer rounds to eight bits."""


def keeps_documents_apart(model: PreTrainedModel, vocab_size: int) -> bool:
    """Compare the logits of documents in a packed batch with those of each alone, and with other documents beside them.

    The batch has two rows of two documents, as packing makes them: `position_ids` that start again at each document, no
    attention mask. A model that doesn't tell documents apart by that lets the second see the first.

    Args:
        model: a causal language model on any device; it is left in the mode it was in.
        vocab_size: token ids are drawn from below this.
    """
    rng = np.random.default_rng(0)
    device = next(model.parameters()).device

    def document(length: int) -> Tokens:
        return Tokens(rng.integers(0, vocab_size, length, np.int32), np.ones(length, np.bool_))

    seconds = [document(length) for length in SECOND]

    def logits_beside_others() -> torch.Tensor:
        """Of a batch in which only the first document of each row is new."""
        documents = [document(FIRST[0]), seconds[0], document(FIRST[1]), seconds[1]]
        batch = PackedCollator(0)([row._asdict() for row in pack(documents, FIRST[0] + SECOND[0])])
        return logits(batch["input_ids"], position_ids=batch["position_ids"].to(device))

    def logits(input_ids: torch.Tensor, **more: torch.Tensor) -> torch.Tensor:
        # With a cache, models take a row for one text.
        result: torch.Tensor = model(input_ids=input_ids.to(device), use_cache=False, **more).logits.float()
        return result

    rounding = ROUNDING if model.dtype == torch.float32 else HALF_ROUNDING
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            packed, beside_others = logits_beside_others(), logits_beside_others()
            for row, tokens in enumerate(seconds):
                place = slice(FIRST[row], FIRST[row] + SECOND[row])
                alone = logits(torch.from_numpy(tokens.ids.astype(np.int64)).unsqueeze(0))[0]
                size = alone.abs().max().clamp(min=1.0)
                leak = (packed[row, place] - beside_others[row, place]).abs().max()
                difference = (packed[row, place] - alone).abs().max()
                if not (leak <= LEAK * size and difference <= rounding * size):
                    return False
    except (TypeError, ValueError, RuntimeError):
        # The model takes no position_ids, or can't compute without a mask.
        return False
    finally:
        model.train(training)
    return True
