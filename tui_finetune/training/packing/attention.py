"""Attention for packed rows that computes each document by itself.

The usual attention of a packed row works out how much each token of the row attends to each other one, and then masks
those of other documents. On a CPU that is most of the attention's cost. Here the row is taken apart at the documents'
boundaries first, which gives the same numbers: what is masked is not computed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward

_MOST_SPANS = 8
"""Documents shorter than a row divided by this are computed together with their neighbors, under a mask: many tiny
computations would cost more than they save."""

_BEYOND_MASKS = ("position_bias", "s_aux", "softcap")
"""What attention may depend on besides its mask; where it does, it is computed as usual."""


class Span(NamedTuple):
    """Tokens of a row that attend to none outside; `masked` where some within don't attend to all before them."""

    row: int
    start: int
    end: int
    masked: bool

    @property
    def length(self) -> int:
        return self.end - self.start


@contextmanager
def attention_by_document() -> Iterator[None]:
    """While open, whatever attends by `sdpa` attends by document where its mask is that of documents.

    It takes the place of transformers' own function and keeps its name, because some models look at the name.
    """
    AttentionInterface.register("sdpa", attend)
    try:
        yield
    finally:
        AttentionInterface.register("sdpa", sdpa_attention_forward)


def attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    **more: Any,
) -> tuple[torch.Tensor, None]:
    """Scaled dot product attention as transformers' `sdpa`, each span of the rows by itself.

    Args:
        query: of shape (rows, heads, tokens, size).
        key, value: of shape (rows, key heads, tokens, size).
        attention_mask: of shape (rows, 1, tokens, tokens), True where a token attends to another. Masks that are not of
            documents in a row, each seeing itself up to the token, are left to `sdpa`.
        more: passed on.

    Returns:
        The attended values, of shape (rows, tokens, heads, size), and no weights.
    """
    spans = None if any(more.get(name) is not None for name in _BEYOND_MASKS) else _spans(attention_mask, query, key)
    if spans is None or attention_mask is None:
        result: tuple[torch.Tensor, None] = sdpa_attention_forward(module, query, key, value, attention_mask, **more)
        return result
    lengths = [span.length for span in spans]
    attended = []
    # Split as one tensor of all tokens: its gradient is one concatenation, that of slices would be a sum of as many full
    # tensors as there are slices.
    for span, *parts in zip(spans, *(_tokens(x).split(lengths) for x in (query, key, value)), strict=True):
        inside = slice(span.start, span.end)
        mask = attention_mask[span.row : span.row + 1, :, inside, inside] if span.masked else None
        q, k, v = (part.transpose(0, 1).unsqueeze(0) for part in parts)
        attended.append(sdpa_attention_forward(module, q, k, v, mask, **{**more, "is_causal": True})[0][0])
    return torch.cat(attended).unflatten(0, (query.shape[0], query.shape[2])), None


def _tokens(x: torch.Tensor) -> torch.Tensor:
    """Of shape (rows, heads, tokens, size), as (rows x tokens, heads, size)."""
    return x.transpose(1, 2).flatten(0, 1)


def _spans(mask: torch.Tensor | None, query: torch.Tensor, key: torch.Tensor) -> list[Span] | None:
    rows, _, tokens, _ = query.shape
    if mask is None or mask.dtype != torch.bool or mask.shape != (rows, 1, tokens, tokens) or key.shape[2] != tokens:
        return None
    # All layers are given the same mask, so it is looked at once.
    kept = vars(mask)
    if "_document_spans" not in kept:
        kept["_document_spans"] = find_spans(mask[:, 0])
    spans: list[Span] | None = kept["_document_spans"]
    return spans


def find_spans(mask: torch.Tensor) -> list[Span] | None:
    """The spans of all rows in order, each row covered from its first token to its last.

    Args:
        mask: of shape (rows, tokens, tokens), True where the token of the second axis attends to that of the third.

    Returns:
        None where the mask is not that of documents: a token sees some, but not all from its document's first to
        itself, as under a sliding window that is shorter than a document.
    """
    rows, tokens, _ = mask.shape
    places = torch.arange(tokens, device=mask.device)
    first = mask.to(torch.uint8).argmax(-1)
    begins = first == places
    # The newest place at which a document began.
    start = torch.where(begins, places, 0).cummax(-1).values
    if not (torch.equal(first, start) and torch.equal(mask.sum(-1), places - first + 1)):
        return None
    spans: list[Span] = []
    for row in range(rows):
        starts = begins[row].nonzero().flatten().tolist()
        for begin, end in zip(starts, [*starts[1:], tokens], strict=True):
            span = Span(row, begin, end, masked=False)
            if begin > 0 and min(spans[-1].length, span.length) * _MOST_SPANS < tokens:
                span = Span(row, spans.pop().start, end, masked=True)
            spans.append(span)
    return spans
