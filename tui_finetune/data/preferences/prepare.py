"""From an open data set to the rows that preferences are learned from; kept in the cache."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tui_finetune.config.schema import PAIRED, RunConfig
from tui_finetune.data.cache import Entry, fingerprint
from tui_finetune.data.preferences.build import PreferencesBuilder
from tui_finetune.data.preferences.collate import COLLATORS
from tui_finetune.data.preferences.recognize import recognize_preferences
from tui_finetune.data.preferences.replies import PreferenceTransform
from tui_finetune.data.prepared import PreparedData
from tui_finetune.data.problems import Problem
from tui_finetune.data.source import Source
from tui_finetune.data.statistics import DataStatistics, RowSources
from tui_finetune.data.tokens.tokenize import padding_of, tokenizer_fingerprint
from tui_finetune.errors import Notice, UserError
from tui_finetune.system.progress import Report

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

PREPARING = 1
"""Raise this when preparing changes, so that nothing prepared the old way is taken from the cache."""

FEW = 2 / 3
"""Where one kind of reply has less than this share of the other, kto's weights should balance them."""


def prepare_preferences(
    source: Source,
    config: RunConfig,
    tokenizer: PreTrainedTokenizerBase,
    max_length: int,
    report: Report | None = None,
) -> PreparedData:
    """Make training and evaluation rows of replies; arguments as for `prepare.prepare`.

    The rows have `prompt_ids`, `chosen_ids` and `rejected_ids`; of single replies `prompt_ids`, `completion_ids` and `label`.

    Raises:
        UserError: there is nothing to compare, or too little for the split.
    """
    shape = recognize_preferences(source, config)
    transform = PreferenceTransform(shape, config, tokenizer)
    parts = [config.excess_length_strategy, config.validation_split, config.seed, config.task in PAIRED]
    known = [source.fingerprint, transform.identity, tokenizer_fingerprint(tokenizer), max_length, *parts]
    key = fingerprint("preferences", PREPARING, known)
    entry, loaded = Entry("prepared", key), None
    for _ in range(2):
        if (meta := entry.meta()) is None:
            PreferencesBuilder(source, config, tokenizer, max_length, transform, report).build(entry)
            meta = entry.meta()
        try:
            loaded = None if meta is None else (*_load(entry.path), RowSources(entry.path))
            break
        except (OSError, ValueError):  # damaged without a change of size
            entry.remove()
    if meta is None or loaded is None:
        raise UserError("the prepared data can't be written to the cache", "check the disk, then try again")
    train, evaluation, sources = loaded
    if not len(train):
        raise UserError("nothing is left to train on", "set a smaller validation_split", setting="validation_split")
    statistics = DataStatistics(**meta["statistics"])
    return PreparedData(
        train=train,
        evaluation=evaluation,
        collator=COLLATORS[config.task](padding_of(tokenizer)),
        statistics=statistics,
        packed=False,
        notices=_notices(statistics, config, train, max_length),
        problems=source.problems + [Problem.from_json(problem) for problem in meta["problems"]],
        format=shape.chosen,
        fingerprint=key,
        chat_template=transform.chosen.template,
        end_token=transform.chosen.end_token(),
        sources=sources,
    )


def _load(path: Path) -> tuple[Dataset, Dataset | None]:
    from datasets import Dataset

    rows = Dataset.from_file(str(path / "rows.arrow"))
    train, evaluation = np.load(path / "train.npy"), np.load(path / "evaluation.npy")
    return rows.select(train), rows.select(evaluation) if len(evaluation) else None


def _notices(statistics: DataStatistics, config: RunConfig, train: Dataset, max_length: int) -> list[Notice]:
    """What the user should know before it is trained on."""
    notices = []
    if statistics.left_out:
        total = statistics.documents + statistics.left_out
        words = f"{statistics.left_out:,} of {total:,} rows are left out"
        notices.append(Notice("warning", words, "`finetune-tui preview` shows which and why", "dataset_name"))
    if statistics.over_max_length and config.excess_length_strategy != "drop":
        words = (
            f"{statistics.over_max_length:,} rows are longer than {max_length} tokens, and their replies cut off there"
        )
        remedy = "set a larger max_length, or excess_length_strategy: drop"
        notices.append(Notice("warning", words, remedy, "max_length"))
    if config.task not in PAIRED and (unbalanced := _unbalanced(config, train)) is not None:
        notices.append(unbalanced)
    return notices


def _unbalanced(config: RunConfig, train: Dataset) -> Notice | None:
    """What is said where good and bad replies count very differently."""
    good = sum(train.with_format("numpy")["label"][:].tolist())
    bad = len(train) - good
    if not good or not bad:
        kind = "bad" if good else "good"
        return Notice("warning", f"there are no {kind} replies to learn from", "add some", "dataset_name")
    weights = config.desirable_weight * good, config.undesirable_weight * bad
    if min(weights) >= FEW * max(weights):
        return None
    words = f"{good:,} good and {bad:,} bad replies count {weights[0]:,.0f} and {weights[1]:,.0f}"
    key = "desirable_weight" if weights[0] < weights[1] else "undesirable_weight"
    value = weights[1] / good if weights[0] < weights[1] else weights[0] / bad
    return Notice("warning", words, f"set {key}: {value:.2g} to balance them", key)
