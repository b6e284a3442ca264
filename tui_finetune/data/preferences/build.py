"""Making the rows of tokens that preferences are learned from, in one pass over a data set."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from tui_finetune.config.schema import PAIRED, RunConfig
from tui_finetune.data.build import TICK_ROWS
from tui_finetune.data.cache import Entry
from tui_finetune.data.examples import leave_out, none_left
from tui_finetune.data.preferences.replies import PreferenceTransform, Replies, ReplyEncoder, ReplyTokens
from tui_finetune.data.problems import Tally
from tui_finetune.data.readers.row import Row
from tui_finetune.data.segments import Unfit
from tui_finetune.data.source import Source
from tui_finetune.data.split import divide
from tui_finetune.data.statistics import DataStatistics, RowSources
from tui_finetune.errors import UserError
from tui_finetune.system.progress import Report, Ticker

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

ROWS_AT_ONCE = 256
"""Rows that are tokenized together."""

_IDS = pa.list_(pa.int32())
PAIRS = pa.schema([("prompt_ids", _IDS), ("chosen_ids", _IDS), ("rejected_ids", _IDS)])
SINGLE = pa.schema([("prompt_ids", _IDS), ("completion_ids", _IDS), ("label", pa.bool_())])
"""The columns of prepared rows: for tasks that compare two replies, and for single replies that are good or bad."""


def compared(
    rows: Iterator[tuple[int, Row]], source: Source, transform: PreferenceTransform, tally: Tally
) -> Iterator[tuple[int, Replies]]:
    """The replies of numbered rows, each with the number of its row.

    Args:
        rows: of the source, numbered from 0.
        source: tells the places of rows.
        transform: makes replies of a row.
        tally: takes the rows without any, and what is left out of others.
    """
    for number, row in rows:
        try:
            replies = transform.replies(row)
        except Unfit as unfit:
            leave_out(tally, source, number, unfit.what)
            continue
        for what, remedy in transform.notes:
            tally.add(*source.place(number), what, remedy)
        yield number, replies


class PreferencesBuilder:
    """Makes the rows of a data set that isn't in the cache yet."""

    def __init__(
        self,
        source: Source,
        config: RunConfig,
        tokenizer: PreTrainedTokenizerBase,
        max_length: int,
        transform: PreferenceTransform,
        report: Report | None,
    ) -> None:
        """
        Args:
            source: the open data set.
            config: the run's settings.
            tokenizer: makes tokens.
            max_length: tokens of a prompt with a reply.
            transform: makes replies.
            report: told of rows done; may raise Cancelled.
        """
        self._source, self._config, self._transform, self._limit = source, config, transform, max_length
        self._encoder = ReplyEncoder(tokenizer, transform, config, max_length)
        self._tally = Tally()
        self._tick = Ticker(report, len(source.rows), "rows")
        self._schema = PAIRS if config.task in PAIRED else SINGLE
        self._rows = self._tokens = self._trained = self._over = self._longest = self._cut = self._highest = 0

    def build(self, entry: Entry) -> None:
        """Put the rows into the cache.

        Args:
            entry: where they go: `rows.arrow`, with the numbers of the rows for training and evaluation in `train.npy`
                and `evaluation.npy`.

        Raises:
            UserError: there are too few for the split, or nothing is left.
        """
        with entry.building() as (directory, content):
            ends, sources = self._write(directory / "rows.arrow")
            if not sources:
                raise self._nothing()
            train, evaluation = divide(len(sources), self._config)
            bounds, places = np.frombuffer(ends, np.int64), np.frombuffer(sources, np.int64)
            numbers = [np.concatenate([np.arange(0), *(np.arange(bounds[n], bounds[n + 1]) for n in part)])
                       for part in (train, evaluation)]  # fmt: skip
            np.save(directory / "train.npy", numbers[0])
            np.save(directory / "evaluation.npy", numbers[1])
            RowSources.save(
                directory, np.arange(1, len(numbers[0]) + 1), np.repeat(places[train], np.diff(bounds)[train])
            )
            content["statistics"] = asdict(
                DataStatistics(
                    documents=len(sources),
                    train_rows=len(numbers[0]),
                    eval_rows=len(numbers[1]),
                    tokens=self._tokens,
                    trained_tokens=self._trained,
                    packing_efficiency=self._tokens / max(self._rows, 1) / self._limit,
                    over_max_length=self._over,
                    left_out=len(self._source.rows) - len(sources),
                    max_token_id=self._highest,
                    longest=self._longest,
                    cut_tokens=self._cut,
                )
            )
            content["problems"] = [problem.to_json() for problem in self._tally.problems()]

    def _write(self, path: Path) -> tuple[array[int], array[int]]:
        """Write all rows, in the order of the data; where those of each document end, from 0 on, and its place in the data."""
        ends, sources = array("q", [0]), array("q")
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, self._schema) as writer:
            found = compared(self._numbered(), self._source, self._transform, self._tally)
            while batch := list(islice(found, ROWS_AT_ONCE)):
                columns: list[list[object]] = [[] for _ in self._schema.names]
                encoded = self._encoder.encode([replies for _, replies in batch])
                for (number, _), tokens in zip(batch, encoded, strict=True):
                    for row in self._made(number, tokens):
                        for column, value in zip(columns, row, strict=True):
                            column.append(value)
                        self._rows += 1
                    if self._rows > ends[-1]:
                        ends.append(self._rows)
                        sources.append(number)
                arrays = [pa.array(values, kind) for values, kind in zip(columns, self._schema.types, strict=True)]
                writer.write_batch(pa.record_batch(arrays, schema=self._schema))
        self._tick(len(self._source.rows))
        return ends, sources

    def _numbered(self) -> Iterator[tuple[int, Row]]:
        number = 0
        for batch in self._source.batches(self._transform.shape.columns):
            for row in batch:
                yield number, row
                number += 1
                if number % TICK_ROWS == 0:
                    self._tick(number)

    def _made(self, number: int, tokens: ReplyTokens) -> list[tuple[object, ...]]:
        """The rows of a document, as the columns have them, counted."""
        self._longest = max(self._longest, *tokens.sequences)
        self._over += max(tokens.sequences) > self._limit
        fitted, why = self._encoder.fitted(tokens)
        if fitted is None:
            leave_out(self._tally, self._source, number, why)
            return []
        replies = [reply for reply in (fitted.chosen, fitted.rejected) if reply is not None]
        self._tokens += sum(fitted.sequences)
        self._trained += sum(map(len, replies))
        self._cut += sum(tokens.sequences) - sum(fitted.sequences)
        self._highest = max(self._highest, *(int(ids.max()) for ids in (fitted.prompt, *replies)))
        if self._schema is PAIRS:
            return [(fitted.prompt, *replies)]
        judged = ((fitted.chosen, True), (fitted.rejected, False))
        return [(fitted.prompt, reply, good) for reply, good in judged if reply is not None]

    def _nothing(self) -> UserError:
        if self._over:
            return UserError("nothing is left to train on", "set a larger max_length", setting="max_length")
        return none_left(self._source, self._transform.shape.chosen, self._tally)
