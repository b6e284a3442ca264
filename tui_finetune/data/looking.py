"""A look at some rows of a data set: its documents and their tokens, counted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tui_finetune.config.schema import RunConfig
from tui_finetune.data.examples import RowTransform, documents, leave_out
from tui_finetune.data.problems import Tally
from tui_finetune.data.readers.row import Row
from tui_finetune.data.sampled import sampled_rows
from tui_finetune.data.segments import Example, as_read, plain_text
from tui_finetune.data.source import Source
from tui_finetune.system.progress import Report, Ticker

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from tui_finetune.data.chunk import Chunker
    from tui_finetune.data.tokens.tokenize import Encoder, Tokens

EXAMPLES = 5
FIRST = 50
"""Documents of which a packed row is made to be shown."""

MAX_ROWS = 10_000
MAX_CHARACTERS = 16_000_000
"""Numbers of a larger data set are estimated from so many rows, or as many as have so many characters."""


class Look:
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
