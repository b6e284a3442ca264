"""Filling rows of one length with whole documents.

A row holds several documents one after another. They are kept apart by `position_ids` that begin at 0 for each, and no
attention mask: then attention stays within a document. The label of each document's first token is masked, for it would
be predicted from the last token of another document.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Generic, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from tui_finetune.data.tokens.tokenize import Tokens

IGNORED = -100
"""The label of a token that is not trained on (the usual one of torch's cross entropy)."""

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


def joined(members: Sequence[Tokens]) -> PackedRow:
    """Documents as one row."""
    sizes = np.array([len(document.ids) for document in members])
    starts = np.cumsum(sizes) - sizes
    labels = np.concatenate([labels_of(document) for document in members])
    labels[starts] = IGNORED
    positions = np.arange(len(labels), dtype=np.int32) - np.repeat(starts, sizes).astype(np.int32)
    return PackedRow(np.concatenate([document.ids for document in members]), positions, labels)


def pack(documents: Sequence[Tokens], max_length: int) -> Iterator[PackedRow]:
    """Documents of at most max_length tokens as packed rows."""
    for row in best_fit([len(document.ids) for document in documents], max_length):
        yield joined([documents[number] for number in row])


Document = TypeVar("Document")


class Filler(Generic[Document]):
    """Puts a stream of documents into rows, a window at a time.

    Args:
        max_length: tokens that a row holds.
        size: gives the tokens of a document.
        window_tokens: those of a window.
    """

    def __init__(self, max_length: int, size: Callable[[Document], int], window_tokens: int = WINDOW_TOKENS) -> None:
        self._max_length, self._size, self._window_tokens = max_length, size, window_tokens
        self._documents: list[Document] = []
        self._tokens = 0

    def add(self, document: Document) -> Iterator[list[Document]]:
        """Take a document in; the rows of the window, each a list of its documents, when it is full."""
        self._documents.append(document)
        self._tokens += self._size(document)
        if self._tokens >= self._window_tokens:
            yield from self.finish()

    def finish(self) -> Iterator[list[Document]]:
        """The rows of what is still waiting."""
        documents, self._documents, self._tokens = self._documents, [], 0
        for row in best_fit([self._size(document) for document in documents], self._max_length):
            yield [documents[number] for number in row]
