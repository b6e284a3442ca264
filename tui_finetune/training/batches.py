"""Which rows were in which batch, so that a loss that stands out can be traced to the data."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import torch

from tui_finetune.runs.events import SpikeEvent
from tui_finetune.runs.findings.spikes import SpikeWatch

if TYPE_CHECKING:
    from datasets import Dataset

    from tui_finetune.data.statistics import RowSources

KEPT_BATCHES = 20_000
"""Batches whose rows are remembered: those between two logged losses are looked into."""


class RememberedRows(torch.utils.data.Dataset[object]):
    """Training rows that remember which of them were fetched last, a batch at a time, in the order of fetching.

    Args:
        rows: the rows.

    Attributes:
        rows: the rows; others may take their place while none was fetched.
    """

    def __init__(self, rows: Dataset) -> None:
        self.rows = rows
        self.fetched: deque[list[int]] = deque(maxlen=KEPT_BATCHES)
        self.batches = 0

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, row: int) -> object:
        return self.rows[row]

    def __getitems__(self, rows: list[int]) -> list[object]:
        self.fetched.append(list(rows))
        self.batches += 1
        fetched: list[object] = self.rows.__getitems__(rows)
        return fetched

    def batch(self, number: int) -> list[int]:
        """The rows of a batch by its number in the order of fetching, from 0; none where it is forgotten."""
        place = number - (self.batches - len(self.fetched))
        return self.fetched[place] if 0 <= place < len(self.fetched) else []


class BatchLosses:
    """The losses of the batches since the last logged one. They stay on the device until one of them is looked for.

    Args:
        rows: the training rows.
        sources: which rows of the data set they are made of.
    """

    def __init__(self, rows: RememberedRows, sources: RowSources | None) -> None:
        self._rows, self._sources = rows, sources
        self._watch = SpikeWatch()
        self._losses: list[tuple[int, int, torch.Tensor]] = []
        self._count = 0

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
        return SpikeEvent(step, loss, round(self._watch.usual, 4), tuple(named))
