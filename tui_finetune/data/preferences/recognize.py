"""Recognizing how the rows of a data set become replies that are compared."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tui_finetune.config.schema import PAIRED, RunConfig
from tui_finetune.data.formats.columns import Columns, columns_of
from tui_finetune.data.formats.media import refuse_media
from tui_finetune.data.formats.recognize import as_documents, check_columns, find_label, label_threshold, pair_of
from tui_finetune.data.formats.spec import Format
from tui_finetune.data.source import Source
from tui_finetune.errors import UserError

if TYPE_CHECKING:
    from datasets import Dataset


@dataclass(frozen=True)
class Preferences:
    """How a row becomes replies: a better and a worse one, or one that is good or bad.

    Attributes:
        chosen: how the prompt with the better reply, or with the only one, becomes a document.
        rejected: how the prompt with the worse reply does; None where a row has one reply.
        label: the column that says whether the only reply is good; '' for pairs.
        threshold: the rating from which on it is, where the label is a rating.
    """

    chosen: Format
    rejected: Format | None = None
    label: str = ""
    threshold: float | None = None

    @property
    def mapping(self) -> dict[str, str]:
        """The part that a column plays, to the column's name."""
        mapping = dict(self.chosen.mapping)
        if self.rejected is not None:
            mapping["rejected"] = next(
                name for part, name in self.rejected.mapping.items() if name != self.chosen.mapping[part]
            )
        return mapping | ({"label": self.label} if self.label else {})

    @property
    def columns(self) -> list[str]:
        """The columns that are needed."""
        return list(dict.fromkeys(self.mapping.values()))


def recognize_preferences(rows: Dataset | Source, config: RunConfig) -> Preferences:
    """How the rows become replies that are compared, as the task wants them.

    Args:
        rows: an open data set, or only its rows.
        config: names the task; may name the columns.

    Raises:
        UserError: there are no pairs, or no labels, or the columns hold something else; with the way.
    """
    columns = columns_of(rows)
    source = rows if isinstance(rows, Source) else None
    check_columns(columns, config)
    pair = pair_of(columns, config)
    if pair is None and config.task in PAIRED:
        raise _no_pairs(columns, config)
    found = _pairs(*pair) if pair is not None else _labeled(columns, config, source)
    refuse_media(columns, found.chosen)
    return found


def _pairs(shape: Format, chosen: str, rejected: str) -> Preferences:
    better = replace(shape, reason=f"of two replies '{chosen}' is the better one, '{rejected}' the worse one")
    mapping = {part: rejected if name == chosen else name for part, name in shape.mapping.items()}
    return Preferences(better, replace(better, mapping=mapping))


def _labeled(columns: Columns, config: RunConfig, source: Source | None) -> Preferences:
    label = config.dataset_label_field or find_label(columns)
    if label is None:
        raise UserError(
            f"no column tells good replies from bad ones; there are: {columns.listed()}",
            "set dataset_label_field, or task: sft to train on all replies",
            setting="dataset_label_field",
        )
    threshold = label_threshold(columns, label, config)
    shape = as_documents(columns, config, source)
    if shape.name == "text":
        raise UserError(
            f"no columns hold a prompt and a reply to it; there are: {columns.listed()}",
            "set dataset_prompt_field and dataset_completion_field, or dataset_messages_field",
            setting="dataset_prompt_field",
        )
    good = "true" if threshold is None else f"{threshold:g} or more"
    return Preferences(
        replace(shape, reason=f"{shape.reason}; a reply is good where '{label}' is {good}"), None, label, threshold
    )


def _no_pairs(columns: Columns, config: RunConfig) -> UserError:
    """The error where a task needs pairs and there are none."""
    ways = "set dataset_chosen_field and dataset_rejected_field, or task: sft to train on all replies"
    if (label := find_label(columns)) is not None:
        ways = f"set task: kto, which learns from single replies that '{label}' marks as good or bad"
    return UserError(
        f"{config.task} compares a better and a worse reply, and no columns hold such pairs; there are: {columns.listed()}",
        ways,
        setting="dataset_chosen_field" if label is None else "task",
    )
