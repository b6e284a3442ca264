"""A data set ready to be trained on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tui_finetune.data.formats.spec import Format
from tui_finetune.data.problems import Problem
from tui_finetune.data.statistics import DataStatistics, Indices, PartStatistics, RowSources
from tui_finetune.errors import Notice

if TYPE_CHECKING:
    from datasets import Dataset

    from tui_finetune.data.tokens.collate import Batch, TokenRow

Collator = Callable[[Sequence["TokenRow"]], "Batch"]


@dataclass
class PreparedData:
    """What goes into the Trainer.

    Attributes:
        train, evaluation: rows of tokens, memory-mapped.
        collator: makes a batch's tensors of rows.
        statistics: numbers about them.
        packed: whether rows hold several documents, kept apart by position_ids.
        notices: what the user should know before it is trained on.
        problems: rows that were left out, and other oddities of the data.
        format: how rows became documents.
        fingerprint: a name for exactly these rows.
        chat_template: the template that the data was put into words by, to be saved with the tokenizer; None where none
            was used, or where the tokenizer has it.
        end_token: the token that ends the assistant's turns, where a chat template has one; generation must stop there.
        lengths: tokens of each row of `train`, where rows of like length are to come in the same batch. None where their
            order is left to chance, and where no batch is padded to its longest row.
        sources: which rows of the data set are in each row of `train`; None where there are several data sets.
        parts: numbers of each data set, in the order in which their rows stand in `evaluation`.
    """

    train: Dataset
    evaluation: Dataset | None
    collator: Collator
    statistics: DataStatistics
    packed: bool
    notices: list[Notice] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    format: Format | None = None
    fingerprint: str = ""
    chat_template: str | None = None
    end_token: int | None = None
    lengths: Indices | None = None
    sources: RowSources | None = None
    parts: list[PartStatistics] = field(default_factory=list)

    @property
    def evaluated(self) -> list[tuple[str, int]]:
        """Where losses are told apart by data set: the name of each that has rows in `evaluation`, and how many."""
        named = [(part.label, part.eval_rows) for part in self.parts if part.eval_rows]
        return named if len(named) > 1 and all(label for label, _ in named) else []
