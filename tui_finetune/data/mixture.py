"""Several data sets as one: which documents of each are trained on, how often and in which order, and which are evaluated on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tui_finetune.config.schema import RunConfig
from tui_finetune.data.source import Source
from tui_finetune.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Indices = npt.NDArray[np.int64]

MOST_REPEATED = 100
"""How much larger a mix may be than what it is made of."""

Role = Literal["both", "training", "evaluation"]


@dataclass(frozen=True)
class Part:
    """One data set of a run.

    Attributes:
        label: a short name for it, none twice; '' where it is the only one.
        config: the run's settings, as they are for this data set.
        source: it, open.
        weight: its share in the mix beside the others' weights; None where none is given.
        role: what its rows are for; of 'both', some are kept aside for evaluation.
    """

    label: str
    config: RunConfig
    source: Source
    weight: float | None = None
    role: Role = "both"

    @property
    def trains(self) -> bool:
        """Whether any of its rows are trained on."""
        return self.role != "evaluation"


@dataclass(frozen=True)
class Division:
    """What becomes of the documents of each part.

    Attributes:
        train: the numbers of the documents that are trained on, in order; one that comes again is there again.
        evaluation: for each part, the numbers of those that are evaluated on.
        taken: for each part, how many documents are trained on, counted as often as they come.
    """

    train: Indices
    evaluation: list[Indices]
    taken: list[int]


def strategy_of(config: RunConfig, weights: Sequence[float | None]) -> str:
    """How data sets are mixed: 'concatenate', 'first_exhausted' or 'all_exhausted'.

    Raises:
        UserError: there are weights, and all rows are to be taken.
    """
    weighted = any(weight is not None for weight in weights)
    if config.mix_strategy == "concatenate" and weighted:
        raise UserError(
            "mix_strategy: concatenate takes all rows, whatever their weights",
            "set mix_strategy: first_exhausted or all_exhausted, or leave the weights out",
            setting="mix_strategy",
        )
    if config.mix_strategy == "auto":
        return "first_exhausted" if weighted else "concatenate"
    return config.mix_strategy


def shares_of(weights: Sequence[float | None]) -> list[float]:
    """Weights as shares of a whole; one that is not given counts 1."""
    given = [1.0 if weight is None else weight for weight in weights]
    return [weight / sum(given) for weight in given]


def used(sizes: Sequence[int], shares: Sequence[float], strategy: str) -> list[int]:
    """How many documents of each data set play a part, before some are kept aside."""
    if strategy != "first_exhausted":
        return list(sizes)
    total = min(size / share for size, share in zip(sizes, shares, strict=True))
    return [min(size, round(total * share)) for size, share in zip(sizes, shares, strict=True)]


def amounts(sizes: Sequence[int], shares: Sequence[float], strategy: str) -> list[int]:
    """How many documents of each data set are trained on, counted as often as they come.

    Args:
        sizes: of each, how many there are to train on.
        shares: of each, its share in the mix.
        strategy: 'concatenate', 'first_exhausted' or 'all_exhausted'.

    Raises:
        UserError: a share asks for a hundred times as many documents as there are.
    """
    if strategy == "concatenate":
        return list(sizes)
    choose = min if strategy == "first_exhausted" else max
    total = choose(size / share for size, share in zip(sizes, shares, strict=True))
    if total > MOST_REPEATED * max(sum(sizes), 1):
        raise UserError(
            f"by these weights the mix would have {round(total):,} rows of {sum(sizes):,}: small data sets come again and again",
            "change the weights, or set mix_strategy: first_exhausted",
            setting="datasets",
        )
    return [round(total * share) for share in shares]


def kept_aside(sizes: Sequence[int], config: RunConfig) -> list[int]:
    """How many documents of each data set are kept for evaluation.

    Raises:
        UserError: there are too few to keep so many.
    """
    size = config.validation_split
    if size == 0 or not sizes:
        return [0] * len(sizes)
    total = sum(sizes)
    if size < 1:
        return [min(math.ceil(size * count), max(count - 1, 0)) for count in sizes]
    if size >= total:
        raise UserError(
            f"there are only {total} documents, too few to keep {int(size)} for evaluation",
            "set validation_split: 0 to train on all, or add documents",
            setting="validation_split",
        )
    wanted = [int(size) * count / total for count in sizes]
    kept = [int(want) for want in wanted]
    by_rest = sorted(range(len(sizes)), key=lambda number: kept[number] - wanted[number])
    for number in by_rest[: int(size) - sum(kept)]:
        kept[number] += 1
    return [min(count, max(size - 1, 0)) for count, size in zip(kept, sizes, strict=True)]


@dataclass(frozen=True)
class Amounts:
    """How many documents of each part are used.

    Attributes:
        strategy: how the parts are mixed.
        in_use: how many play a part at all.
        aside: how many of these are evaluated on.
        taken: how many are trained on, counted as often as they come.
    """

    strategy: str
    in_use: list[int]
    aside: list[int]
    taken: list[int]


def amounts_of(sizes: Sequence[int], parts: Sequence[Part], config: RunConfig) -> Amounts:
    """How many documents of each part are trained on and evaluated on.

    Args:
        sizes: how many documents each part has.
        parts: the data sets.
        config: the run's settings.

    Raises:
        UserError: there are too few documents to keep some for evaluation, or a mix by these weights is beyond all bounds.
    """
    training = [number for number, part in enumerate(parts) if part.trains]
    weights = [parts[number].weight for number in training]
    strategy, shares = strategy_of(config, weights), shares_of(weights)
    some = dict(zip(training, used([sizes[number] for number in training], shares, strategy), strict=True))
    split = [number for number in training if parts[number].role == "both"]
    kept = dict(zip(split, kept_aside([some[number] for number in split], config), strict=True))
    left = [some[number] - kept.get(number, 0) for number in training]
    taken = dict(zip(training, amounts(left, shares, strategy), strict=True))
    numbers = range(len(parts))
    return Amounts(
        strategy,
        in_use=[some.get(number, sizes[number]) for number in numbers],
        aside=[kept.get(number, 0) if parts[number].trains else sizes[number] for number in numbers],
        taken=[taken.get(number, 0) for number in numbers],
    )


def divide_mix(sizes: Sequence[int], parts: Sequence[Part], config: RunConfig) -> Division:
    """Choose the documents that are trained on, in their order, and those that are evaluated on. The same for the same seed.

    Args:
        sizes: how many documents each part has; they are numbered through, those of the first part first.
        parts: the data sets.
        config: the run's settings.

    Raises:
        UserError: there are too few documents to keep some for evaluation, or a mix by these weights is beyond all bounds.
    """
    import numpy as np

    plan = amounts_of(sizes, parts, config)
    first = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    evaluation: list[Indices] = []
    chosen: list[Indices] = []
    for number, part in enumerate(parts):
        order = np.arange(sizes[number], dtype=np.int64)
        if part.trains:
            order = np.random.default_rng([config.seed, number]).permutation(order)
        held_out, rest = np.split(order[: plan.in_use[number]], [plan.aside[number]])
        evaluation.append(first[number] + np.sort(held_out))
        chosen.append(first[number] + _again(rest, plan.taken[number]))
    train = np.concatenate(chosen) if plan.strategy == "concatenate" else _interleaved(chosen)
    return Division(train, evaluation, plan.taken)


def _again(numbers: Indices, count: int) -> Indices:
    """So many of the numbers, in rounds: each whole but the last, and in order, so that they are read in order."""
    import numpy as np

    if not len(numbers):
        return numbers
    whole, rest = divmod(count, len(numbers))
    return np.concatenate([np.tile(np.sort(numbers), whole), np.sort(numbers[:rest])])


def _interleaved(parts: Sequence[Indices]) -> Indices:
    """The numbers of all, each part's spread evenly over the whole."""
    import numpy as np

    places = np.concatenate([(np.arange(len(part)) + 0.5) / max(len(part), 1) for part in parts])
    return np.concatenate(list(parts))[np.argsort(places, kind="stable")]
