"""A look at some rows of a data set of preferences."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from tui_finetune.config.schema import RunConfig
from tui_finetune.data.examples import RowTransform
from tui_finetune.data.preferences.build import compared
from tui_finetune.data.preferences.recognize import recognize_preferences
from tui_finetune.data.preferences.replies import PreferenceTransform, Replies, ReplyEncoder, ReplyTokens
from tui_finetune.data.problems import Tally
from tui_finetune.data.readers.row import Row
from tui_finetune.data.sampled import sampled_rows
from tui_finetune.data.segments import Example, as_read, plain_text
from tui_finetune.data.source import Source
from tui_finetune.data.tokens.tokenize import Tokens
from tui_finetune.system.progress import Report, Ticker

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from tui_finetune.data.tokens.tokenize import Ids

ROWS_AT_ONCE = 256


class PreferenceLook:
    """One look at some rows.

    Attributes:
        examples: the first documents with the better reply, or with the only one.
        rejected: as many with the worse one; none where rows have one reply.
        good: of each example, whether its only reply is good; none for pairs.
        first_chunks, rejected_chunks: the same as rows of tokens.
        lengths: tokens of each document, of the longer one of a pair.
        out_of_reach: places in `lengths` of documents in whose first tokens nothing is compared.
        trained, tokens: of all replies, and of these with their prompts.
        seen, documents: rows that were looked at, and those of them with something to compare.
        duplicates: documents that another one is equal to.
        tally: what is odd.
    """

    def __init__(
        self,
        source: Source,
        transform: PreferenceTransform,
        config: RunConfig,
        tokenizer: PreTrainedTokenizerBase | None,
        report: Report | None,
        limit: int,
        examples: int,
    ) -> None:
        self._source, self._transform, self._report, self._kept = source, transform, report, examples
        self._encoder = None if tokenizer is None else ReplyEncoder(tokenizer, transform, config, limit)
        self._limit = limit
        self.tally = Tally()
        self.examples: list[Example] = []
        self.rejected: list[Example] = []
        self.good: list[bool] = []
        self.first_chunks: list[list[Tokens]] = []
        self.rejected_chunks: list[list[Tokens]] = []
        self.lengths: list[int] = []
        self.out_of_reach: list[int] = []
        self.seen = self.documents = self.trained = self.tokens = self.duplicates = 0
        self._texts: set[int] = set()

    def through(self, max_rows: int) -> None:
        """Look at no more than so many rows."""
        tick = Ticker(self._report, min(len(self._source.rows), max_rows), "rows")
        found = compared(self._rows(max_rows), self._source, self._transform, self.tally)
        while batch := list(islice(found, ROWS_AT_ONCE)):
            for _, replies in batch:
                self._count(replies)
            if self._encoder is not None:
                encoded = self._encoder.encode([replies for _, replies in batch])
                for tokens in encoded:
                    self._measure(tokens)
            tick(self.seen)

    def _rows(self, max_rows: int) -> Iterator[tuple[int, Row]]:
        for number, row in sampled_rows(self._source, self._transform.shape.columns, max_rows):
            self.seen += 1
            yield number, row

    def _count(self, replies: Replies) -> None:
        self.documents += 1
        text = hash(tuple(plain_text(example) for example in replies if example is not None))
        self.duplicates += text in self._texts
        self._texts.add(text)
        if len(self.examples) >= self._kept:
            return
        chosen, rejected = replies
        self.examples.append(as_read(chosen if chosen is not None else rejected or []))
        if chosen is not None and rejected is not None:
            self.rejected.append(as_read(rejected))
        else:
            self.good.append(chosen is not None)

    def _measure(self, tokens: ReplyTokens) -> None:
        assert self._encoder is not None
        fitted, _ = self._encoder.fitted(tokens)
        if fitted is None:
            self.out_of_reach.append(len(self.lengths))
        self.lengths.append(max(tokens.sequences))
        self.tokens += sum(tokens.sequences)
        self.trained += sum(tokens.sequences) - len(tokens.prompt) * len(tokens.sequences)
        if len(self.first_chunks) >= self._kept:
            return
        replies = [] if fitted is None else [r for r in (fitted.chosen, fitted.rejected) if r is not None]
        rows = [_row(tokens.prompt, reply) for reply in replies]
        self.first_chunks.append(rows[:1])
        self.rejected_chunks.append(rows[1:])


def look_at_preferences(
    source: Source,
    config: RunConfig,
    tokenizer: PreTrainedTokenizerBase | None,
    report: Report | None,
    limit: int,
    examples: int,
) -> tuple[RowTransform, dict[str, str], PreferenceLook]:
    """What makes the documents of the better replies, the parts that columns play, and a look that has yet to be taken."""
    transform = PreferenceTransform(recognize_preferences(source, config), config, tokenizer)
    look = PreferenceLook(source, transform, config, tokenizer, report, limit, examples)
    return transform.chosen, transform.shape.mapping, look


def _row(prompt: Ids, reply: Ids) -> Tokens:
    trained = np.zeros(len(prompt) + len(reply), np.bool_)
    trained[len(prompt) :] = True
    return Tokens(np.concatenate([prompt, reply]), trained)
