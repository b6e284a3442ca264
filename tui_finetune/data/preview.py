"""What a data set is, before anything is trained on it: format, examples, lengths, problems."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

from tui_finetune.config.schema import PREFERENCES, RunConfig
from tui_finetune.config.steps import steps_per_epoch
from tui_finetune.data.examples import RowTransform, documents, leave_out, none_left
from tui_finetune.data.formats.recognize import recognize
from tui_finetune.data.open import open_dataset
from tui_finetune.data.problems import Problem, Tally
from tui_finetune.data.readers.row import Row
from tui_finetune.data.sampled import sampled_rows
from tui_finetune.data.segments import Example, as_json, as_read, plain_text
from tui_finetune.data.source import Source
from tui_finetune.data.split import divide
from tui_finetune.errors import UserError
from tui_finetune.models.facts import DEFAULT_MAX_LENGTH
from tui_finetune.system.progress import Report, Ticker

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from tui_finetune.data.chunk import Chunker
    from tui_finetune.data.preferences.look import PreferenceLook
    from tui_finetune.data.tokens.tokenize import Encoder, Tokens
    from tui_finetune.data.tokens.view import SeenToken, TokenReader

EXAMPLES = 5
FIRST = 50
"""Documents of which a packed row is made to be shown."""

MAX_ROWS = 10_000
MAX_CHARACTERS = 16_000_000
"""Numbers of a larger data set are estimated from so many rows, or as many as have so many characters."""


@dataclass(frozen=True)
class Lengths:
    """Tokens of the documents, and how many documents have more than max_length."""

    mean: float
    p50: int
    p95: int
    max: int
    over_max_length: int


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
        }


def preview(
    config: RunConfig,
    tokenizer: PreTrainedTokenizerBase | None = None,
    report: Report | None = None,
    max_rows: int = MAX_ROWS,
    max_length: int | None = None,
) -> Preview:
    """Open a data set and look at it.

    Args:
        config: names the data set.
        tokenizer: without one nothing is said about tokens.
        report: told how far it is.
        max_rows: look at no more rows than this, spread over the data set.
        max_length: tokens of a training row; the configuration's if left out, or 1024.

    Raises:
        UserError: the data set can't be read, or not be understood.
    """
    return preview_of(open_dataset(config, report), config, tokenizer, report, max_rows, max_length)


def preview_of(
    source: Source,
    config: RunConfig,
    tokenizer: PreTrainedTokenizerBase | None = None,
    report: Report | None = None,
    max_rows: int = MAX_ROWS,
    max_length: int | None = None,
) -> Preview:
    """Look at an open data set; see `preview`."""
    limit = max_length or config.max_length or DEFAULT_MAX_LENGTH
    total = len(source.rows)
    look: _Look | PreferenceLook
    if config.task in PREFERENCES:
        from tui_finetune.data.preferences.look import look_at_preferences

        transform, mapping, look = look_at_preferences(source, config, tokenizer, report, limit, EXAMPLES)
    else:
        transform = RowTransform(recognize(source, config), config, tokenizer)
        mapping, look = transform.shape.mapping, _Look(source, transform, config, tokenizer, report, limit)
    look.through(max_rows)
    if not look.documents:
        raise none_left(source, transform.shape, look.tally)
    found = Preview(
        name=source.name,
        files=source.files,
        columns=list(source.rows.column_names),
        format=transform.shape.name,
        reason=transform.reason,
        mapping=mapping,
        rows=total,
        examples=look.examples,
        lengths=None,
        tokens=None,
        trained_tokens=None,
        duplicates=look.duplicates,
        problems=[],
        sampled=look.seen if look.seen < total else None,
        documents=round(look.documents * total / look.seen),
        token_lengths=look.lengths,
        max_length=limit,
        splits=transform.splits,
        out_of_reach=look.out_of_reach,
        rejected=look.rejected,
        good=look.good,
    )
    found = replace(found, problems=source.problems + look.tally.problems() + _about_the_whole(found, config))
    return found if tokenizer is None else _as_trained(look, found, config, tokenizer, total / look.seen)


def _about_the_whole(found: Preview, config: RunConfig) -> list[Problem]:
    """What is to be said of a data set as a whole."""
    problems = []
    if found.sampled is not None:
        message = f"numbers are estimated from {found.sampled:,} of {found.rows:,} rows"
        problems.append(Problem(message, "training takes all of them", level="info", file=found.name))
    try:
        divide(min(found.documents, 1_000_000), config)
    except UserError as error:
        problems.append(Problem(error.message, error.remedy, error.setting, file=found.name))
    return problems


def _as_trained(
    look: _Look | PreferenceLook, found: Preview, config: RunConfig, tokenizer: PreTrainedTokenizerBase, scale: float
) -> Preview:
    """The preview with what is known in tokens: lengths, the first rows as they are trained on, batches in an epoch.

    Args:
        look: what was seen.
        found: the preview without tokens.
        config: the run's settings.
        tokenizer: made the tokens.
        scale: rows of the data set for each that was looked at.
    """
    from tui_finetune.data.tokens.view import TokenReader, fullest

    reader = TokenReader(tokenizer)
    first = look.first_chunks
    packed = (
        fullest([chunk for chunks in first for chunk in chunks[:FIRST]], found.max_length) if config.packing else None
    )
    found = replace(
        found,
        lengths=_lengths(look.lengths, found.max_length, scale),
        tokens=round(look.tokens * scale),
        trained_tokens=round(look.trained * scale),
        example_tokens=[_seen(reader, chunks) for chunks in first[:EXAMPLES]],
        packed_row=reader.documents(packed) if packed else [],
        rejected_tokens=[_seen(reader, chunks) for chunks in look.rejected_chunks],
    )
    try:
        rows = estimate_rows(found, config)
    except UserError:  # too few documents, which is among the problems
        return found
    return replace(found, padding=_padding(found), steps_per_epoch=steps_per_epoch(rows, config))


def _seen(reader: TokenReader, chunks: list[Tokens]) -> list[SeenToken]:
    from tui_finetune.data.tokens.view import alone

    if not chunks:
        return []
    row = alone(chunks[0])
    return reader.read(row.input_ids, row.labels)


def _padding(found: Preview) -> float:
    lengths = [min(length, found.max_length) for length in found.token_lengths]
    return round(1 - sum(lengths) / (len(lengths) * found.max_length), 4)


def _lengths(lengths: list[int], limit: int, scale: float) -> Lengths:
    import numpy as np

    p50, p95 = np.percentile(lengths, [50, 95], method="higher")
    over = sum(1 for length in lengths if length > limit)
    return Lengths(round(sum(lengths) / len(lengths), 1), int(p50), int(p95), max(lengths), round(over * scale))


class _Look:
    """One look at some rows of a data set."""

    def __init__(
        self,
        source: Source,
        transform: RowTransform,
        config: RunConfig,
        tokenizer: PreTrainedTokenizerBase | None,
        report: Report | None,
        limit: int,
    ) -> None:
        self.source, self.transform, self.config, self.tokenizer = source, transform, config, tokenizer
        self.report, self.limit = report, limit
        self.tally = Tally()
        self.examples: list[Example] = []
        self.first_chunks: list[list[Tokens]] = []
        self.lengths: list[int] = []
        self.out_of_reach: list[int] = []
        self.rejected: list[Example] = []
        self.good: list[bool] = []
        self.rejected_chunks: list[list[Tokens]] = []
        self.seen = self.documents = self.trained = self.tokens = self.duplicates = 0
        self._texts: set[int] = set()

    def through(self, max_rows: int) -> None:
        """Look at no more than so many rows, in as many characters as are allowed."""
        from tui_finetune.data.chunk import Chunker
        from tui_finetune.data.tokens.tokenize import Encoder, batched

        tick = Ticker(self.report, min(len(self.source.rows), max_rows), "rows")
        if self.tokenizer is None:
            for number, _ in enumerate(self._documents(max_rows)):
                if number % 256 == 0:
                    tick(self.seen)
            return
        encoder = Encoder(self.tokenizer, train_on_eos=self.config.train_on_eos, rendered=self.transform.rendered)
        chunker = Chunker(encoder, self.transform, self.config, self.limit)
        for batch in batched(self._documents(max_rows)):
            self._encode(batch, encoder, chunker, tick)
            tick(self.seen)

    def _documents(self, max_rows: int) -> Iterator[tuple[int, Example]]:
        """The documents, counted, each with the number of its row."""
        plain = not self.config.packing and not self.config.train_on_eos
        characters = 0
        for row, example in documents(self._rows(max_rows), self.source, self.transform, self.tally, keep_blank=plain):
            text = plain_text(example)
            self.documents += 1
            self.duplicates += hash(text) in self._texts
            self._texts.add(hash(text))
            if len(self.examples) < EXAMPLES:
                self.examples.append(as_read(example))
            yield row, example
            characters += len(text)
            if characters > MAX_CHARACTERS:
                return

    def _encode(self, batch: list[tuple[int, Example]], encoder: Encoder, chunker: Chunker, tick: Ticker) -> None:
        """Look at the tokens of some documents."""
        from tui_finetune.data.chunk import out_of_reach

        encoded = encoder.encode([example for _, example in batch], lambda: tick(self.seen))
        for (row, example), tokens in zip(batch, encoded, strict=True):
            if len(self.first_chunks) < FIRST:
                self.first_chunks.append(chunker.chunks(tokens, example)[0])
            if self.transform.masked and not tokens.trained[1 : self.limit].any():
                self.out_of_reach.append(len(self.lengths))
                leave_out(self.tally, self.source, row, out_of_reach(tokens))
            self.lengths.append(len(tokens.ids))
            self.tokens += len(tokens.ids)
            self.trained += int(tokens.trained.sum())

    def _rows(self, max_rows: int) -> Iterator[tuple[int, Row]]:
        for number, row in sampled_rows(self.source, self.transform.shape.columns, max_rows):
            self.seen += 1
            yield number, row


def estimate_rows(data: Preview, config: RunConfig) -> int:
    """How many rows of tokens there will be to train on.

    Exact where every row was looked at with a tokenizer, but for documents too short to train on.

    Raises:
        UserError: there are too few documents to keep some for evaluation.
    """
    from tui_finetune.data.tokens.pack import best_fit

    # Of a pair, kto makes a good and a bad reply.
    each = 2 if config.task == "kto" and data.rejected else 1
    if not data.token_lengths:
        share = config.validation_split
        return max(data.documents - math.ceil(share if share >= 1 else share * data.documents), 1) * each
    limit = data.max_length
    # What has nothing to train on within reach is left out, as if it had no tokens.
    lengths = list(data.token_lengths)
    for number in data.out_of_reach:
        lengths[number] = 0
    if data.sampled is None:
        chosen, share = [lengths[number] for number in divide(data.documents, config)[0]], 1.0
    else:
        aside = config.validation_split
        kept = data.documents - (aside if aside >= 1 else aside * data.documents)
        chosen, share = lengths, max(kept, 1) / len(lengths)
    if config.excess_length_strategy == "drop":
        chosen = [length for length in chosen if length <= limit]
    chunks = [min(length, limit) for length in chosen]
    if config.excess_length_strategy == "split" and data.splits:
        chunks += [min(length - start, limit) for length in chosen for start in range(limit, length, limit)]
    if config.packing or config.train_on_eos or not data.splits:
        chunks = [chunk for chunk in chunks if chunk > 1]
    rows = len(best_fit(chunks, limit)) if config.packing else len(chunks)
    return max(round(rows * share), 1) * each
