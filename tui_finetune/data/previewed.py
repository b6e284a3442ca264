"""What a preview found out about a data set, or about several."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from tui_finetune.data.problems import Problem
from tui_finetune.data.segments import Example, as_json
from tui_finetune.models.facts import DEFAULT_MAX_LENGTH

if TYPE_CHECKING:
    from tui_finetune.data.tokens.view import SeenToken


@dataclass(frozen=True)
class Lengths:
    """Tokens of the documents, and how many documents have more than max_length."""

    mean: float
    p50: int
    p95: int
    max: int
    over_max_length: int


@dataclass(frozen=True)
class PartPreview:
    """One data set among several.

    Attributes:
        label: its short name.
        name: as it was asked for.
        format: how its rows become documents.
        documents: how many there are; an estimate where not all were looked at.
        trained: how many of them an epoch trains on, counted as often as they come.
        evaluated: how many are evaluated on.
        tokens: in those that an epoch trains on; None without a tokenizer.
        trained_tokens: those of them that are trained on.
        share: of the documents of an epoch.
    """

    label: str
    name: str
    format: str
    documents: int
    trained: int
    evaluated: int
    tokens: int | None
    trained_tokens: int | None
    share: float


@dataclass(frozen=True)
class Preview:
    """What a data set is.

    Attributes:
        name: as it was asked for.
        files: the files it is read from; none for the hub.
        columns: the names of its columns.
        format, reason, mapping: how rows become documents, and why.
        rows: all of them, also those without text.
        examples: the first five documents.
        lengths, tokens, trained_tokens: None without a tokenizer. Estimates where `sampled` is not None.
        duplicates: rows whose text another row has already.
        problems: what is odd, each with its place.
        sampled: how many rows the numbers are from, where not from all.
        documents: rows with text; an estimate where sampled.
        token_lengths: tokens of each document that was looked at, in order; for the histogram.
        max_length: tokens of a training row, as assumed for over_max_length.
        splits: whether documents that are longer may be split; otherwise their end is cut off.
        out_of_reach: the places in `token_lengths` of documents in whose first max_length tokens nothing is
            trained on.
        example_tokens: the first row of tokens of each example, as it is trained on; empty where it is left out. None at
            all without a tokenizer.
        packed_row: the documents of a row into which packing puts some of the first ones.
        padding: share of padding where each document has a row of max_length tokens to itself; None without a tokenizer.
        steps_per_epoch: optimizer steps in which each row of tokens is trained on once.
        rejected: of each example, the document with the worse reply, where replies are compared.
        rejected_tokens: as `example_tokens`, of these.
        good: of each example, whether its reply is a good one, where single replies are marked as good or bad.
        parts: where there are several data sets, or one of its own to evaluate on: each of them.
        mixed: of these, the tokens of documents that are trained on, as they are mixed; 0 for one that nothing is trained
            on in. Not all of them: `mixed_scale` is how many there are for each.
    """

    name: str
    files: list[str]
    columns: list[str]
    format: str
    reason: str
    mapping: dict[str, str]
    rows: int
    examples: list[Example]
    lengths: Lengths | None
    tokens: int | None
    trained_tokens: int | None
    duplicates: int
    problems: list[Problem]
    sampled: int | None = None
    documents: int = 0
    token_lengths: list[int] = field(default_factory=list)
    max_length: int = DEFAULT_MAX_LENGTH
    splits: bool = True
    out_of_reach: list[int] = field(default_factory=list)
    example_tokens: list[list[SeenToken]] = field(default_factory=list)
    packed_row: list[list[SeenToken]] = field(default_factory=list)
    padding: float | None = None
    steps_per_epoch: int | None = None
    rejected: list[Example] = field(default_factory=list)
    rejected_tokens: list[list[SeenToken]] = field(default_factory=list)
    good: list[bool] = field(default_factory=list)
    parts: list[PartPreview] = field(default_factory=list)
    mixed: list[int] = field(default_factory=list)
    mixed_scale: float = 1.0

    @property
    def unused(self) -> list[str]:
        """The columns that play no part."""
        return [name for name in self.columns if name not in self.mapping.values()]

    def to_json(self) -> dict[str, object]:
        """The object that `preview --json` prints."""
        return {
            "format": self.format,
            "reason": self.reason,
            "rows": self.rows,
            "mapping": self.mapping,
            "unused_columns": self.unused,
            "examples": [as_json(example) for example in self.examples],
            **({"rejected": [as_json(example) for example in self.rejected]} if self.rejected else {}),
            **({"good": self.good} if self.good else {}),
            "lengths": None if self.lengths is None else asdict(self.lengths),
            "tokens": self.tokens,
            "trained_tokens": self.trained_tokens,
            "duplicates": self.duplicates,
            "problems": [problem.to_json() for problem in self.problems],
            "example_tokens": [[asdict(token) for token in row] for row in self.example_tokens],
            "packed_row": [
                {"tokens": len(document), "trained_tokens": sum(token.trained for token in document)}
                for document in self.packed_row
            ],
            "max_length": self.max_length,
            "padding_without_packing": self.padding,
            "steps_per_epoch": self.steps_per_epoch,
            **({"parts": [asdict(part) for part in self.parts]} if self.parts else {}),
        }
