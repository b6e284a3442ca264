"""What is known of the rows that were made: their numbers, and which rows of the data set are in each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class DataStatistics:
    """Numbers of the prepared data.

    Attributes:
        documents: how many were taken, for training and evaluation together.
        train_rows, eval_rows: rows of tokens that came of them.
        tokens: in all rows, without padding.
        trained_tokens: those of them that are trained on or evaluated.
        packing_efficiency: tokens over the room in the rows (rows times max_length); without packing, the same figure.
        over_max_length: documents with more than max_length tokens.
        left_out: rows of the data set that nothing was made of.
        max_token_id: the highest token there is; the model's vocabulary must have it.
        longest: tokens of the longest document.
        cut_tokens: tokens of documents that are in no row, as max_length cut them off.
        special_in_text: documents in whose texts there are names of special tokens, read as text.
    """

    documents: int
    train_rows: int
    eval_rows: int
    tokens: int
    trained_tokens: int
    packing_efficiency: float
    over_max_length: int
    left_out: int
    max_token_id: int
    longest: int
    cut_tokens: int = 0
    special_in_text: int = 0


@dataclass(frozen=True)
class PartStatistics:
    """Numbers of one data set among several.

    Attributes:
        label: its short name.
        documents: how many it has.
        trained: how many of them are trained on, counted as often as they come in an epoch.
        evaluated: how many of them are evaluated on.
        tokens: in those that are trained on, counted as often as they come.
        trained_tokens: those of them that are trained on.
        eval_rows: rows of tokens that came of those that are evaluated on.
    """

    label: str
    documents: int
    trained: int
    evaluated: int
    tokens: int
    trained_tokens: int
    eval_rows: int


class RowSources:
    """Which rows of the data set are in each training row.

    Args:
        directory: where they are kept.
    """

    def __init__(self, directory: Path) -> None:
        self._ends = np.load(directory / "source_ends.npy", mmap_mode="r")
        self._rows = np.load(directory / "sources.npy", mmap_mode="r")

    def of(self, row: int) -> list[int]:
        """The numbers of the data set's rows, from 1, that the training row is made of."""
        begin = int(self._ends[row - 1]) if row else 0
        return [int(number) + 1 for number in self._rows[begin : int(self._ends[row])]]

    @staticmethod
    def save(directory: Path, ends: Sequence[int] | Indices, rows: Sequence[int] | Indices) -> None:
        """Keep them: `rows` of the data set from 0, and where those of each training row end."""
        np.save(directory / "source_ends.npy", np.asarray(ends, np.int64))
        np.save(directory / "sources.npy", np.asarray(rows, np.int64))
