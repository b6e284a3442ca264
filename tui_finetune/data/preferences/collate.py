"""Batches of prompts with their replies, in the form in which TRL's trainer of each task takes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

import torch
from torch.nn.utils.rnn import pad_sequence

from tui_finetune.data.tokens.pack import IGNORED

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from tui_finetune.data.tokens.collate import Batch, TokenRow

    Ids = Sequence[int] | npt.NDArray[np.int32]


class Paired:
    """For DPO: the prompts with the better replies, then the prompts with the worse ones, in one batch.

    Args:
        pad: the token that is padded with.
    """

    def __init__(self, pad: int) -> None:
        self._pad = pad

    def __call__(self, rows: Sequence[TokenRow]) -> Batch:
        """`input_ids`, `attention_mask` and `completion_mask`, each of shape (2 x rows, tokens); and of shape (rows,) what was
        computed for each reply beforehand, where the rows have it."""
        pairs = [(row["prompt_ids"], row[name]) for name in ("chosen_ids", "rejected_ids") for row in rows]
        known = [name for name in ("ref_chosen_logps", "ref_rejected_logps") if name in rows[0]]
        return _padded(pairs, self._pad) | {name: torch.tensor([row[name] for row in rows]) for name in known}


class MismatchedReplies:
    """For KTO: each prompt also gets the reply to another of the batch, from which the distance to the model as it was is
    estimated. TRL pairs them once, which ties the rows to one order; here they are paired as they come.

    Args:
        pad: the token that is padded with.
    """

    def __init__(self, pad: int) -> None:
        self._pad = pad

    def __call__(self, rows: Sequence[TokenRow]) -> Batch:
        """As of `Paired`, of shape (rows, tokens), again with `KL_` for the mismatched replies; and `label`, true for good
        replies, of shape (rows,)."""
        others = [rows[-1], *rows[:-1]]
        batch = _padded([(row["prompt_ids"], row["completion_ids"]) for row in rows], self._pad)
        mismatched = [(row["prompt_ids"], other["completion_ids"]) for row, other in zip(rows, others, strict=True)]
        batch |= {f"KL_{name}": values for name, values in _padded(mismatched, self._pad).items()}
        return batch | {"label": torch.tensor([bool(row["label"]) for row in rows])}


class BothReplies:
    """For ORPO: better and worse replies each by themselves.

    Args:
        pad: the token that is padded with.
    """

    def __init__(self, pad: int) -> None:
        self._pad = pad

    def __call__(self, rows: Sequence[TokenRow]) -> Batch:
        """`chosen_` and `rejected_` before `input_ids`, `attention_mask` and `labels`, each of shape (rows, tokens)."""
        batch: Batch = {}
        for kind in ("chosen", "rejected"):
            made = _padded([(row["prompt_ids"], row[f"{kind}_ids"]) for row in rows], self._pad)
            mask = made.pop("completion_mask")
            made["labels"] = made["input_ids"].masked_fill(mask == 0, IGNORED)
            batch |= {f"{kind}_{name}": values for name, values in made.items()}
        return batch


COLLATORS: Mapping[str, type[Paired | MismatchedReplies | BothReplies]] = MappingProxyType(
    {"dpo": Paired, "kto": MismatchedReplies, "orpo": BothReplies}
)
"""What makes a task's batches."""


def _padded(pairs: Sequence[tuple[Ids, Ids]], pad: int) -> Batch:
    """Prompts and replies in rows of one length, what is a token of one, and what is one of a reply."""
    whole = [torch.tensor([*prompt, *reply]) for prompt, reply in pairs]
    replies = [torch.tensor([0] * len(prompt) + [1] * len(reply)) for prompt, reply in pairs]
    return {
        "input_ids": pad_sequence(whole, batch_first=True, padding_value=pad),
        "attention_mask": pad_sequence([torch.ones_like(ids) for ids in whole], batch_first=True),
        "completion_mask": pad_sequence(replies, batch_first=True),
    }
