"""Rows as the tensors of a batch. Each collator takes rows as mappings and returns tensors of (rows, tokens), int64."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from tui_finetune.data.tokens.pack import IGNORED

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

TokenRow = Mapping[str, Sequence[int] | npt.NDArray[np.int32]]
"""A prepared row: by column (`input_ids`, `labels` ...) a value for each token."""

Batch = dict[str, torch.Tensor]


class PackedCollator:
    """Batches packed rows: `input_ids`, `position_ids` and `labels`, and no attention mask.

    Shorter rows are filled up to the longest. The filling counts its positions from 0, which makes it a document of its
    own that no other sees, and its labels are masked.
    """

    def __init__(self, pad_id: int) -> None:
        self.pad_id = pad_id

    def __call__(self, rows: Sequence[TokenRow]) -> Batch:
        width = max(len(row["input_ids"]) for row in rows)
        input_ids = np.full((len(rows), width), self.pad_id, np.int64)
        labels = np.full((len(rows), width), IGNORED, np.int64)
        positions = np.zeros((len(rows), width), np.int64)
        for number, row in enumerate(rows):
            size = len(row["input_ids"])
            input_ids[number, :size] = row["input_ids"]
            labels[number, :size] = row["labels"]
            positions[number, :size] = row["position_ids"]
            positions[number, size:] = np.arange(width - size)
        return {
            "input_ids": torch.from_numpy(input_ids),
            "position_ids": torch.from_numpy(positions),
            "labels": torch.from_numpy(labels),
        }


class PaddingCollator:
    """Batches rows of one document each: `input_ids`, `attention_mask` and `labels`, padded on the right.

    What is padding is known by its place, not by its token: an end-of-text token that is also used for padding stays
    trained on where it ends a text.
    """

    def __init__(self, pad_id: int, width: int | None = None) -> None:
        """
        Args:
            pad_id: the token to fill up with.
            width: fill up to so many tokens; to the longest row of the batch where it is None.
        """
        self.pad_id = pad_id
        self.width = width

    def __call__(self, rows: Sequence[TokenRow]) -> Batch:
        width = max(len(row["input_ids"]) for row in rows) if self.width is None else self.width
        input_ids = np.full((len(rows), width), self.pad_id, np.int64)
        attention = np.zeros((len(rows), width), np.int64)
        labels = np.full((len(rows), width), IGNORED, np.int64)
        for number, row in enumerate(rows):
            size = len(row["input_ids"])
            input_ids[number, :size] = row["input_ids"]
            attention[number, :size] = 1
            labels[number, :size] = row["labels"]
        return {
            "input_ids": torch.from_numpy(input_ids),
            "attention_mask": torch.from_numpy(attention),
            "labels": torch.from_numpy(labels),
        }


class ScriptCollator:
    """Batches rows as a plain script does with transformers' DataCollatorForLanguageModeling(tokenizer, mlm=False).

    Every label is masked whose token is the padding token, wherever it stands: where that is also the end-of-text token,
    it is never trained on. Padding is on the tokenizer's own side.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, width: int | None = None) -> None:
        """
        Args:
            tokenizer: with a padding token.
            width: fill up to so many tokens; to the longest row of the batch where it is None.
        """
        self.tokenizer = tokenizer
        self.width = width

    def __call__(self, rows: Sequence[TokenRow]) -> Batch:
        # A fast tokenizer warns that padding while tokenizing is faster.
        warned = self.tokenizer.deprecation_warnings
        warned["Asking-to-pad-a-fast-tokenizer"] = True
        padding = {"padding": True} if self.width is None else {"padding": "max_length", "max_length": self.width}
        batch = dict(
            self.tokenizer.pad(
                [{name: list(values) for name, values in row.items()} for row in rows], return_tensors="pt", **padding
            )
        )
        # A text of no tokens makes tensors of floats.
        batch = {name: tensor.long() for name, tensor in batch.items()}
        labels = batch["input_ids"].clone()
        labels[labels == self.tokenizer.pad_token_id] = IGNORED
        return {**batch, "labels": labels}
