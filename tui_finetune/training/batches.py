"""Which rows were in which batch, so that a loss that stands out can be traced to the data."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from tui_finetune.data.tokens.pack import IGNORED
from tui_finetune.runs.events import SpikeEvent
from tui_finetune.runs.findings.spikes import SpikeWatch

if TYPE_CHECKING:
    from datasets import Dataset

    from tui_finetune.data.statistics import RowSources

KEPT_BATCHES = 20_000
"""Batches whose rows are remembered: those between two logged losses are looked into."""


class RememberedRows(torch.utils.data.Dataset[object]):
    """Training rows that remember which of them were fetched last, a batch at a time, in the order of fetching.

    Behind the last row there are as many empty ones as are asked for, on which nothing is trained: they fill up the last
    batches of an epoch where several processes share them.

    Args:
        rows: the rows.
        pad_id: the token in an empty row.

    Attributes:
        rows: the rows; others may take their place while none was fetched.
    """

    def __init__(self, rows: Dataset, pad_id: int = 0) -> None:
        self.rows, self._pad_id = rows, pad_id
        self.fetched: deque[list[int]] = deque(maxlen=KEPT_BATCHES)
        self.batches = 0

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, row: int) -> object:
        return self.rows[row]

    def __getitems__(self, rows: list[int]) -> list[object]:
        there = [row for row in rows if row < len(self)]
        self.fetched.append(there)
        self.batches += 1
        fetched: list[object] = self.rows.__getitems__(there) if there else []
        return fetched + [self._empty() for _ in range(len(rows) - len(there))]

    def _empty(self) -> object:
        """A row of one token that isn't trained on, with the columns of the others."""
        first = dict(self.rows[0])
        return {
            **{name: values[:1] for name, values in first.items()},
            "input_ids": [self._pad_id],
            "labels": [IGNORED],
        }

    def batch(self, number: int) -> list[int]:
        """The rows of a batch by its number in the order of fetching, from 0; none where it is forgotten."""
        place = number - (self.batches - len(self.fetched))
        return self.fetched[place] if 0 <= place < len(self.fetched) else []


Found = tuple[float, int, list[int]]
"""A batch: its loss, its step, and the rows of the data set that are in it."""


def _alone(found: Found) -> list[Found]:
    return [found]


class BatchLosses:
    """The losses of the batches since the last logged one. They stay on the device until one of them is looked for.

    Args:
        rows: the training rows.
        sources: which rows of the data set they are made of.

    Attributes:
        gather: tells what each process of the run has found, by rank, on all of them.
    """

    def __init__(self, rows: RememberedRows, sources: RowSources | None) -> None:
        self._rows, self._sources = rows, sources
        self.gather: Callable[[Found], list[Found]] = _alone
        self._watch = SpikeWatch()
        self._losses: list[tuple[int, int, torch.Tensor]] = []
        self._count = 0

    @property
    def real_rows(self) -> int:
        """How many rows of the batch that comes next are not there to fill it up."""
        return len(self._rows.batch(self._count))

    def add(self, step: int, loss: torch.Tensor) -> None:
        """The loss of the next batch, which belongs to a step."""
        self._losses.append((step, self._count, loss))
        del self._losses[:-KEPT_BATCHES]
        self._count += 1

    def logged(self, loss: float) -> SpikeEvent | None:
        """A loss is logged, the mean of what came since the last: a spike, with the rows of the batch that made it."""
        losses, self._losses = self._losses, []
        if not self._watch.add(loss) or not losses:
            return None
        worst = int(torch.stack([value for _, _, value in losses]).argmax().item())
        step, number, _ = losses[worst]
        rows = self._rows.batch(number)
        sources = self._sources
        named = sorted({source for row in rows for source in sources.of(row)}) if sources is not None else []
        # The first of the worst, on every process the same.
        _, step, named = max(self.gather((losses[worst][2].item(), step, named)), key=lambda found: found[0])
        return SpikeEvent(step, loss, round(self._watch.usual, 4), tuple(named))
