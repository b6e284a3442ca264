"""Cross-entropy in chunks of tokens, so that the logits of all tokens are never there at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn.functional import cross_entropy, pad
from torch.utils.checkpoint import checkpoint

from tui_finetune.data.tokens.pack import IGNORED
from tui_finetune.models.memory import chunk_tokens

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from tui_finetune.data.tokens.collate import Batch

SAME = 1e-4
"""How much the two ways of computing a loss may differ, relative to it, where a model is tried with both: it rounds in its
own format, up to three digits in bf16. A model that does something else with its logits differs by far more."""


class ChunkedLoss:
    """The loss of a causal language model, its logits computed for a chunk of tokens at a time, forward and backward.

    The same as the model's own but for the order in which numbers are added up. Tokens whose label is masked are left out
    from the start.

    Args:
        model: the model, without wrappers that change what it computes.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        head = model.get_output_embeddings()
        assert head is not None
        self._model, self._head = model, head
        config = model.config.get_text_config()
        self._tokens = chunk_tokens(int(config.vocab_size))
        # What some families do with their logits.
        self._divide = float(getattr(config, "logits_scaling", None) or 1.0)
        self._multiply = float(getattr(config, "logit_scale", None) or 1.0)
        self._cap = getattr(config, "final_logit_softcapping", None)

    def __call__(self, inputs: Batch, items: torch.Tensor | int | None) -> torch.Tensor:
        """The mean over the tokens that are trained on.

        Args:
            inputs: a batch with labels, both of shape (rows, tokens).
            items: divide the sum by this number and not by that of the batch's own tokens, where batches are accumulated.
        """
        labels = inputs["labels"]
        rest = {name: value for name, value in inputs.items() if name != "labels"}
        hidden = self._model.base_model(**rest, use_cache=False)[0]
        wanted = pad(labels, (0, 1), value=IGNORED)[:, 1:]
        trained = wanted != IGNORED
        states, targets = hidden[trained], wanted[trained]
        total = states.new_zeros((), dtype=torch.float32)
        for part, target in zip(states.split(self._tokens), targets.split(self._tokens), strict=True):
            if torch.is_grad_enabled():
                total = total + checkpoint(self._sum, part, target, use_reentrant=False, preserve_rng_state=False)
            else:
                total = total + self._sum(part, target)
        mean: torch.Tensor = total / (len(targets) if items is None else items)
        return mean

    def _sum(self, states: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        logits = self._head(states).float()
        if self._divide != 1.0:
            logits = logits / self._divide
        if self._multiply != 1.0:
            logits = logits * self._multiply
        if self._cap is not None:
            logits = torch.tanh(logits / self._cap) * self._cap
        total: torch.Tensor = cross_entropy(logits, targets, reduction="sum")
        return total


def chunked_loss(model: PreTrainedModel) -> ChunkedLoss | None:
    """The loss of a model in chunks; None where it does something with its logits that this doesn't know, which is found
    out by computing one both ways."""
    config = model.config.get_text_config()
    if model.get_output_embeddings() is None or getattr(config, "output_router_logits", False):
        return None
    loss = ChunkedLoss(model)
    device = next(model.parameters()).device
    # Not random: the global random numbers are not to be touched.
    ids = (torch.arange(24, device=device) * 7919 % int(config.vocab_size)).reshape(2, 12)
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            batch = {"input_ids": ids, "labels": ids}
            whole = model(**batch, use_cache=False).loss
            chunked = loss(batch, None)
    except (TypeError, ValueError, RuntimeError):
        return None
    finally:
        model.train(training)
    tolerance = SAME if whole.dtype == torch.float32 and next(model.parameters()).dtype == torch.float32 else 100 * SAME
    return loss if bool(torch.isfinite(whole)) and bool((whole - chunked).abs() <= tolerance * whole.abs()) else None
