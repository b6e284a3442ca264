"""Rows of tokens as a person can read them, with what is trained on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from tui_finetune.data.tokens.pack import IGNORED, PackedRow, joined, pack
from tui_finetune.data.tokens.tokenize import Tokens

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_SPACE_MARK = "\u2581"
"""What sentencepiece tokenizers write for a space at the beginning of a word."""


@dataclass(frozen=True)
class SeenToken:
    """One token: its text, or its name where it is a special one, and whether a loss is computed for it."""

    text: str
    trained: bool
    special: bool = False


class TokenReader:
    """Reads tokens of a tokenizer, one by one."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer
        self._special = frozenset(tokenizer.all_special_ids)
        self._known: dict[int, str] = {}

    def read(self, input_ids: Iterable[int], labels: Iterable[int]) -> list[SeenToken]:
        """A row as it is trained on.

        Args:
            input_ids, labels: of the row; what has the label -100 is not trained on.
        """
        return [
            SeenToken(self._text(int(token)), int(label) != IGNORED, int(token) in self._special)
            for token, label in zip(input_ids, labels, strict=True)
        ]

    def documents(self, row: PackedRow) -> list[list[SeenToken]]:
        """The documents of a packed row, in order: each begins where the positions begin again."""
        starts = [*np.flatnonzero(row.position_ids == 0).tolist(), len(row.input_ids)]
        seen = self.read(row.input_ids, row.labels)
        return [seen[begin:end] for begin, end in pairwise(starts)]

    def _text(self, token: int) -> str:
        if token not in self._known:
            name = str(self._tokenizer.convert_ids_to_tokens(token))
            if token in self._special:
                text = name
            elif name.startswith(_SPACE_MARK):  # alone, it would be decoded without its space
                text = name.replace(_SPACE_MARK, " ")
            else:
                text = str(self._tokenizer.decode([token], clean_up_tokenization_spaces=False))
                if "\ufffd" in text or not text:  # a part of a character
                    text = name
            self._known[token] = text
        return self._known[token]


def fullest(pieces: Sequence[Tokens], max_length: int) -> PackedRow | None:
    """Of the rows that pieces of documents are packed into, the one with the most documents."""
    rows = list(pack(pieces, max_length))
    return max(rows, key=lambda row: int((row.position_ids == 0).sum()), default=None)


def alone(tokens: Tokens) -> PackedRow:
    """A piece of a document as a row of its own."""
    return joined([tokens])
