"""Filling rows of one length with whole documents.

A row holds several documents one after another. They are kept apart by `position_ids` that begin at 0 for each, and no
attention mask: then attention stays within a document. The label of each document's first token is masked, for it would
be predicted from the last token of another document.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tui_finetune.data.tokenization import Tokens

IGNORED = -100
"""The label of a token that is not learnt (the usual one of torch's cross entropy)."""

WINDOW_TOKENS = 1 << 22
"""Documents are packed in windows of so many tokens, so that memory doesn't grow with the data. A window has thousands of
rows, of which only the last few aren't full."""


class PackedRow(NamedTuple):
    """A row: three arrays of int32 of the same length, at most max_length."""

    input_ids: npt.NDArray[np.int32]
    position_ids: npt.NDArray[np.int32]
    labels: npt.NDArray[np.int32]


def best_fit(lengths: Sequence[int], room: int) -> list[list[int]]:
    """Put documents into as few rows as can be found quickly: best fit, longest first.

    Each document goes into the row that it leaves the least room in. Rows are kept in stacks by the room left in them,
    and the sizes that have a row are the bits of one integer, so that finding the row takes a shift and a look at the
    lowest bit. The same lengths always give the same rows.

    Args:
        lengths: tokens of each document, from 1 to ``room``.
        room: tokens that a row holds.

    Returns:
        the rows, each a list of indices of documents.
    """
    rows: list[list[int]] = []
    waiting: dict[int, list[int]] = {}
    open_sizes = 0
    for document in np.argsort(-np.asarray(lengths, np.int64), kind="stable").tolist():
        length = lengths[document]
        fitting = open_sizes >> length
        if fitting:
            left = length + (fitting & -fitting).bit_length() - 1
            stack = waiting[left]
            row = stack.pop()
            if not stack:
                open_sizes ^= 1 << left
            rows[row].append(document)
        else:
            left = room
            row = len(rows)
            rows.append([document])
        rest = left - length
        if rest:
            waiting.setdefault(rest, []).append(row)
            open_sizes |= 1 << rest
    return rows


def labels_of(tokens: Tokens) -> npt.NDArray[np.int32]:
    """The tokens themselves where they are trained on, IGNORED elsewhere."""
    return np.where(tokens.trained, tokens.ids, np.int32(IGNORED))


def pack(documents: Sequence[Tokens], max_length: int) -> Iterator[PackedRow]:
    """Documents of at most max_length tokens as packed rows."""
    lengths = [len(document.ids) for document in documents]
    for row in best_fit(lengths, max_length):
        members = [documents[number] for number in row]
        sizes = np.array([lengths[number] for number in row])
        starts = np.cumsum(sizes) - sizes
        labels = np.concatenate([labels_of(document) for document in members])
        labels[starts] = IGNORED
        positions = np.arange(len(labels), dtype=np.int32) - np.repeat(starts, sizes).astype(np.int32)
        yield PackedRow(np.concatenate([document.ids for document in members]), positions, labels)


class Packer:
    """Packs a stream of documents, a window at a time."""

    def __init__(self, max_length: int, window_tokens: int = WINDOW_TOKENS) -> None:
        self.max_length = max_length
        self._window_tokens = window_tokens
        self._documents: list[Tokens] = []
        self._tokens = 0

    def add(self, document: Tokens) -> Iterator[PackedRow]:
        """Take a document in; the rows of the window when it is full."""
        self._documents.append(document)
        self._tokens += len(document.ids)
        if self._tokens >= self._window_tokens:
            yield from self.finish()

    def finish(self) -> Iterator[PackedRow]:
        """The rows of what is still waiting."""
        documents, self._documents, self._tokens = self._documents, [], 0
        yield from pack(documents, self.max_length)
