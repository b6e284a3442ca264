"""Which of the processes of a run computes which rows: none twice, and none left out."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Protocol

from torch.utils.data import DataLoader, Sampler

from tui_finetune.data.tokens.collate import Batch


class Order(Protocol):
    """The order of an epoch's rows."""

    def set_epoch(self, epoch: int) -> None:
        """To be called before each epoch."""

    def __iter__(self) -> Iterator[int]: ...


class SharedBatches(Sampler[list[int]]):
    """The batches of one process: every N-th of those that one process alone would compute, in the same order, so that an
    update is made of the same rows.

    At an epoch's end all processes must have as many batches of as many rows. What is missing is filled up with numbers
    beyond the last row: of rows on which nothing is trained.

    Args:
        order: of the rows, the same on all processes.
        rows: how many there are.
        batch_size: rows of a batch.
        rank, size: which process it is, and of how many.
    """

    def __init__(self, order: Order, rows: int, batch_size: int, rank: int, size: int) -> None:
        self._order, self._rows, self._batch_size = order, rows, batch_size
        self._rank, self._size = rank, size

    def set_epoch(self, epoch: int) -> None:
        """To be called before each epoch."""
        self._order.set_epoch(epoch)

    def __len__(self) -> int:
        return math.ceil(self._rows / (self._batch_size * self._size))

    def __iter__(self) -> Iterator[list[int]]:
        batch: list[int] = []
        number, filled = 0, len(self) * self._size * self._batch_size
        for row in (*self._order, *range(self._rows, filled)):
            batch.append(row)
            if len(batch) == self._batch_size:
                if number % self._size == self._rank:
                    yield batch
                batch, number = [], number + 1


class SharedLoader(DataLoader[Batch]):
    """Loads the batches of one process, each epoch in another order."""

    def set_epoch(self, epoch: int) -> None:
        """To be called before each epoch, as Trainer does."""
        assert isinstance(self.batch_sampler, SharedBatches)
        self.batch_sampler.set_epoch(epoch)


def evaluated_batches(rows: int, batch_size: int, rank: int, size: int) -> list[list[int]]:
    """The rows that one process evaluates, by batch; the last batches may be short, and one process may have one less."""
    batches = [list(range(start, min(start + batch_size, rows))) for start in range(0, rows, batch_size)]
    return batches[rank::size]
