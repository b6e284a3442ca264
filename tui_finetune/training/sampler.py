"""The order of rows that are padded: rows of like length come in the same batch."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from torch.utils.data import Sampler

POOL_BATCHES = 50
"""Rows are drawn at random into pools of so many batches, and ordered by length only within one."""


class GroupedByLength(Sampler[int]):
    """Gives the rows of an epoch, each once, in batches of rows of like length that come in random order.

    The longest row is in the first batch, so that memory which doesn't suffice is found out at once. The order depends on
    seed and epoch alone: a run that is resumed finds its place in it.
    """

    def __init__(self, lengths: npt.NDArray[np.int64], batch_size: int, seed: int) -> None:
        """
        Args:
            lengths: tokens of each row.
            batch_size: rows of a batch.
            seed: the run's.
        """
        self._lengths, self._batch_size, self._seed = lengths, batch_size, seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """To be called before each epoch, as accelerate does."""
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._lengths)

    def __iter__(self) -> Iterator[int]:
        rng = np.random.default_rng([self._seed, self._epoch])
        drawn = rng.permutation(len(self._lengths))
        batches: list[npt.NDArray[np.int64]] = []
        for start in range(0, len(drawn), POOL_BATCHES * self._batch_size):
            pool = drawn[start : start + POOL_BATCHES * self._batch_size]
            pool = pool[np.argsort(-self._lengths[pool], kind="stable")]
            batches += np.split(pool, range(self._batch_size, len(pool), self._batch_size))
        # A batch that isn't full must be the last, or all after it would be cut in other places.
        rest = [batches.pop()] if batches and len(batches[-1]) < self._batch_size else []
        if batches:
            order = rng.permutation(len(batches)).tolist()
            first = max(range(len(batches)), key=lambda number: self._lengths[batches[number][0]])
            order.remove(first)
            batches = [batches[number] for number in [first, *order]]
        for batch in batches + rest:
            yield from batch.tolist()
