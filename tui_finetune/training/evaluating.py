"""The evaluation loss as a mean over tokens, of all data and of each data set."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import torch

from tui_finetune.data.tokens.pack import IGNORED

if TYPE_CHECKING:
    from datasets import Dataset

    from tui_finetune.data.tokens.collate import Batch


class LossSum:
    """Losses of batches added up in float64; they stay on the device until the mean is asked for.

    Args:
        device: where they are added up.
        by_batch: every batch counts the same, instead of every token.

    Attributes:
        rows: how many rows there were.
    """

    def __init__(self, device: torch.device, *, by_batch: bool = False) -> None:
        self.rows, self._by_batch = 0, by_batch
        self._total = torch.zeros((), dtype=torch.float64, device=device)
        self._tokens = torch.zeros((), dtype=torch.int64, device=device)

    def add(self, inputs: Batch, loss: torch.Tensor | None) -> None:
        """Take in a batch and the mean of its tokens' losses."""
        # The first token of a row is not predicted, so its label counts for nothing.
        count = (inputs["labels"][:, 1:] != IGNORED).sum().to(self._tokens.device)
        count = (count > 0).long() if self._by_batch else count
        self.rows += len(inputs["labels"])
        if loss is not None:
            # The mean of no tokens is no number.
            self._total += torch.where(count > 0, loss.to(self._total.device, torch.float64) * count, 0.0)
            self._tokens += count

    def include(self, other: LossSum) -> None:
        """Take in what was added up elsewhere."""
        self.include_numbers(*other.numbers())

    def numbers(self) -> tuple[float, int, int]:
        """The sum, what it is to be divided by, and the rows, as another process can take them in. Waits for the device."""
        return self._total.item(), int(self._tokens.item()), self.rows

    def include_numbers(self, total: float, tokens: int, rows: int) -> None:
        """Take in what `numbers` tells of another sum."""
        self._total += total
        self._tokens += tokens
        self.rows += rows

    def mean(self) -> float | None:
        """The mean over all tokens; None where there were none."""
        return (self._total / self._tokens).item() if self._tokens.item() else None


def mean_losses(
    sources: Iterable[tuple[str, Iterable[Batch]]],
    loss_of: Callable[[Batch], torch.Tensor | None],
    new_sum: Callable[[], LossSum],
    prefix: str,
    of_all: Callable[[LossSum], LossSum],
) -> tuple[dict[str, float], int]:
    """The mean loss over all tokens, and over those of each data set that has a name, by the names of their curves; and how
    many rows there were.

    Args:
        sources: the batches of each data set, with its name, or '' where they are not told apart.
        loss_of: computes the mean loss of a batch.
        new_sum: makes what losses are added up in.
        prefix: what the curves' names begin with.
        of_all: of a sum of this process makes that of all processes.
    """
    whole, named = new_sum(), dict[str, float]()
    for name, batches in sources:
        own = new_sum()
        for inputs in batches:
            own.add(inputs, loss_of(inputs))
        one = of_all(own)
        whole.include(one)
        if name and (mean := one.mean()) is not None:
            named[f"{prefix}_{name}_loss"] = mean
    mean = whole.mean()
    return ({} if mean is None else {f"{prefix}_loss": mean, **named}), whole.rows


def told_apart(rows: Dataset | None, parts: Sequence[tuple[str, int]]) -> list[tuple[str, Dataset]]:
    """Rows by the data set that they are of.

    Args:
        rows: those of all, one data set's after another's.
        parts: the name of each data set, and how many rows it has.
    """
    ends = np.cumsum([0, *(count for _, count in parts)]).tolist()
    named = zip((name for name, _ in parts), pairwise(ends), strict=True)
    return [] if rows is None else [(name, rows.select(range(begin, end))) for name, (begin, end) in named]
