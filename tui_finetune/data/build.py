"""Making the rows of tokens that are trained on, in one pass over the data.

Each row of each data set is read, made a document, tokenized and cut into chunks once. Only when all are through is it known
how many documents there are, and with that which of them are trained on, how often, and which are for evaluation. So the
chunks are written as they come: without packing they are the rows already, and the split is a list of their numbers; for
packing they are read back.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from tui_finetune.config.schema import RunConfig
from tui_finetune.data.cache import Entry
from tui_finetune.data.chunk import Chunker, is_plain
from tui_finetune.data.chunk_files import ArrowLists, ChunkReader, Columns, Values, read_chunks
from tui_finetune.data.examples import RowTransform, documents, leave_out, none_left
from tui_finetune.data.mixture import Division, Part, divide_mix
from tui_finetune.data.problems import Tally
from tui_finetune.data.readers.row import Row
from tui_finetune.data.segments import Example, has_literals
from tui_finetune.data.split import divide
from tui_finetune.data.statistics import DataStatistics, Indices, PartStatistics, RowSources
from tui_finetune.data.tokens.pack import Filler, joined, labels_of
from tui_finetune.data.tokens.tokenize import Encoder, Tokens, batched
from tui_finetune.errors import UserError
from tui_finetune.system.progress import Report, Ticker

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

TICK_ROWS = 256

CHUNKS = "chunks.arrow"
"""Of data that is packed: all chunks in order, while the rows are made."""


class RowsBuilder:
    """Makes the rows of data that isn't in the cache yet."""

    def __init__(
        self,
        parts: Sequence[Part],
        transforms: Sequence[RowTransform],
        config: RunConfig,
        tokenizer: PreTrainedTokenizerBase,
        max_length: int,
        report: Report | None,
    ) -> None:
        """
        Args:
            parts: the data sets.
            transforms: make documents of their rows, one each.
            config: the run's settings.
            tokenizer: makes tokens.
            max_length: tokens of a row.
            report: told of rows done, then of chunks packed; may raise Cancelled.
        """
        self.parts, self.transforms, self.config, self.tokenizer = parts, transforms, config, tokenizer
        self.max_length = max_length
        self.plain = all(is_plain(transform.shape.name, config) for transform in transforms)
        self.tally = Tally()
        self.left_out = self.over = self.longest = self.cut = self.highest = 0
        self.special_in_text = 0
        self.splits = all(transform.splits for transform in transforms)
        self._row_of_chunk, self._tokens, self._trained = array("q"), array("q"), array("q")
        self._documents = [0] * len(parts)
        self._report = report
        self._rows_in_all = sum(len(part.source.rows) for part in parts)
        self._tick = Ticker(report, self._rows_in_all, "rows")
        self._row = 0

    @property
    def is_mix(self) -> bool:
        """Whether there is more than one data set, some rows of which are kept aside."""
        return len(self.parts) > 1 or bool(self.parts[0].label)

    def build(self, entry: Entry) -> None:
        """Put the rows into the cache.

        Args:
            entry: where they go: `train.arrow` and `evaluation.arrow` if packed; else `rows.arrow`, with the numbers of
                the rows for each in `train.npy` and `evaluation.npy`.

        Raises:
            UserError: there are too few documents for the split, or nothing is left.
        """
        with entry.building() as (directory, content):
            packing = self.config.packing
            bounds = self._write_chunks(directory / (CHUNKS if packing else "rows.arrow"), *self._form_of_chunks())
            division = self._divide(len(bounds) - 1)
            if packing:
                pack = self._pack_mix if self.is_mix else self._pack
                train_rows, eval_rows = pack(directory, bounds, division)
            else:
                train_rows, eval_rows = self._choose(directory, bounds, division)
            self._check_left(train_rows, sum(eval_rows), wanted=sum(map(len, division.evaluation)))
            statistics = self._statistics(bounds, division, train_rows, sum(eval_rows))
            content["statistics"] = asdict(statistics)
            content["parts"] = [asdict(part) for part in self._about_parts(bounds, division, eval_rows)]
            content["problems"] = [problem.to_json() for problem in self.tally.problems()]

    def _divide(self, usable: int) -> Division:
        """Which documents are trained on, and which are evaluated on."""
        if self.is_mix:
            return divide_mix(self._documents, self.parts, self.config)
        train, evaluation = divide(usable, self.config)
        return Division(train, [evaluation], [len(train)])

    # Numbers

    def _statistics(self, bounds: Indices, division: Division, train_rows: int, eval_rows: int) -> DataStatistics:
        usable = len(bounds) - 1
        used = usable - self.left_out
        if self.is_mix:
            used = len(division.train) + sum(map(len, division.evaluation))
        chosen = np.concatenate([_chunks_of(bounds, part) for part in (division.train, *division.evaluation)])
        tokens = int(_as_array(self._tokens)[chosen].sum())
        return DataStatistics(
            documents=used,
            train_rows=train_rows,
            eval_rows=eval_rows,
            tokens=tokens,
            trained_tokens=int(_as_array(self._trained)[chosen].sum()),
            packing_efficiency=tokens / (train_rows + eval_rows) / self.max_length,
            over_max_length=self.over,
            left_out=self._rows_in_all - usable + self.left_out,
            max_token_id=self.highest,
            longest=self.longest,
            cut_tokens=self.cut,
            special_in_text=self.special_in_text,
        )

    def _about_parts(self, bounds: Indices, division: Division, eval_rows: Sequence[int]) -> Iterator[PartStatistics]:
        """Numbers of each data set."""
        first = np.concatenate([[0], np.cumsum(self._documents)])
        for number, part in enumerate(self.parts):
            mine = division.train[(division.train >= first[number]) & (division.train < first[number + 1])]
            chunks = _chunks_of(bounds, mine)
            yield PartStatistics(
                label=part.label,
                documents=self._documents[number],
                trained=len(mine),
                evaluated=len(division.evaluation[number]),
                tokens=int(_as_array(self._tokens)[chunks].sum()),
                trained_tokens=int(_as_array(self._trained)[chunks].sum()),
                eval_rows=eval_rows[number],
            )

    # The pass over the data

    def _write_chunks(self, path: Path, columns: Columns, as_row: Callable[[Tokens], tuple[Values, ...]]) -> Indices:
        """Write the chunks of all documents, in order.

        Args:
            path: of the file.
            columns: of the file.
            as_row: a chunk as the columns' values.

        Returns:
            By the number of a document, the number of its first chunk; and at the end, how many chunks there are.
        """
        file = ArrowLists(path, columns)
        first_chunk = array("q", [0])
        for number, (part, transform) in enumerate(zip(self.parts, self.transforms, strict=True)):
            encoder = Encoder(self.tokenizer, train_on_eos=self.config.train_on_eos, rendered=transform.rendered)
            chunker = Chunker(encoder, transform, self.config, self.max_length, plain=self.plain)
            for row, example, tokens in self._encoded(part, transform, encoder):
                for chunk in self._chunks(part, chunker, row, example, tokens):
                    file.add(as_row(chunk))
                    self._row_of_chunk.append(row)
                first_chunk.append(file.rows)
                self._documents[number] += 1
            if not self._documents[number]:
                file.close()
                raise none_left(part.source, transform.shape, self.tally)
        file.close()
        return np.frombuffer(first_chunk, np.int64)

    def _form_of_chunks(self) -> tuple[Columns, Callable[[Tokens], tuple[Values, ...]]]:
        """The columns that chunks are written in, and what makes their values of a chunk."""
        if self.config.packing:
            return {"ids": pa.int32(), "trained": pa.bool_()}, lambda chunk: (chunk.ids, chunk.trained)
        if not self.plain:
            return _int32("input_ids", "labels"), lambda chunk: (chunk.ids, labels_of(chunk))
        # Beside the tokens, what the tokenizer returns: the plain script passes that on to the model.
        others = [name for name in self.tokenizer("a") if name != "input_ids"]

        def as_script(chunk: Tokens) -> tuple[Values, ...]:
            ones, zeros = np.ones(len(chunk.ids), np.int32), np.zeros(len(chunk.ids), np.int32)
            return chunk.ids, *(ones if name == "attention_mask" else zeros for name in others)

        return _int32("input_ids", *others), as_script

    def _encoded(self, part: Part, transform: RowTransform, encoder: Encoder) -> Iterator[tuple[int, Example, Tokens]]:
        """All documents of a data set in order, each with the number of its row and its tokens."""
        rows = self._rows(part, transform)
        found = documents(rows, part.source, transform, self.tally, keep_blank=self.plain)
        for batch in batched(found):
            encoded = encoder.encode([example for _, example in batch], self._alive)
            for (row, example), tokens in zip(batch, encoded, strict=True):
                self.longest = max(self.longest, len(tokens.ids))
                self.over += len(tokens.ids) > self.max_length
                self.special_in_text += has_literals(example)
                yield row, example, tokens
            self._alive()
        self._alive()

    def _rows(self, part: Part, transform: RowTransform) -> Iterator[tuple[int, Row]]:
        """All rows of a data set, numbered from 0."""
        number = 0
        for batch in part.source.batches(transform.shape.columns):
            for row in batch:
                yield number, row
                number += 1
                self._row += 1
                if self._row % TICK_ROWS == 0:
                    self._alive()

    def _alive(self) -> None:
        """Tell where the work is, and end it when asked to."""
        self._tick(self._row)

    def _chunks(self, part: Part, chunker: Chunker, row: int, example: Example, tokens: Tokens) -> list[Tokens]:
        """The chunks of a document that are trained on, counted."""
        chunks, why_none = chunker.chunks(tokens, example)
        if why_none:
            self.left_out += 1
            leave_out(self.tally, part.source, row, why_none)
        self.cut += max(len(tokens.ids) - sum(len(chunk.ids) for chunk in chunks), 0) if chunks else 0
        for chunk in chunks:
            self._tokens.append(len(chunk.ids))
            self._trained.append(int(chunk.trained.sum()))
            self.highest = max(self.highest, int(chunk.ids.max(initial=0)))
        return chunks

    # What follows from the number of documents

    def _choose(self, directory: Path, bounds: Indices, division: Division) -> tuple[int, list[int]]:
        """Without packing: save which rows are for which part; the numbers of rows that it makes."""
        train = _chunks_of(bounds, division.train)
        np.save(directory / "train.npy", train)
        ends = np.arange(1, len(train) + 1)
        RowSources.save(directory, ends, _as_array(self._row_of_chunk)[train])
        evaluation = [_chunks_of(bounds, part) for part in division.evaluation]
        np.save(directory / "evaluation.npy", np.concatenate(evaluation))
        return len(train), [len(part) for part in evaluation]

    def _pack(self, directory: Path, bounds: Indices, division: Division) -> tuple[int, list[int]]:
        """Pack the chunks of each part, in the order of the data; the numbers of rows that it makes."""
        part_of_document = np.zeros(len(bounds) - 1, np.int8)
        part_of_document[division.evaluation[0]] = 1
        part_of = np.repeat(part_of_document, np.diff(bounds))
        packed = _PackedFiles(directory, self._row_of_chunk)
        fillers = [_filler(self.max_length), _filler(self.max_length)]
        tick = Ticker(self._report, len(part_of), "chunks packed")
        for number, (part, chunk) in enumerate(zip(part_of.tolist(), read_chunks(directory / CHUNKS), strict=True)):
            for members in fillers[part].add((number, chunk)):
                packed.write(part, members)
                tick(number)
        for part, filler in enumerate(fillers):
            for members in filler.finish():
                packed.write(part, members)
                tick(len(part_of) - 1)
        tick(len(part_of))
        train_rows, eval_rows = packed.close()
        return train_rows, [eval_rows]

    def _pack_mix(self, directory: Path, bounds: Indices, division: Division) -> tuple[int, list[int]]:
        """Pack the chunks that are trained on, in the order of the mix, and after them those that are evaluated on, each data
        set's in rows of its own; the numbers of rows that it makes."""
        packed, reader = _PackedFiles(directory, self._row_of_chunk), ChunkReader(directory / CHUNKS)
        groups = [_chunks_of(bounds, part) for part in (division.train, *division.evaluation)]
        total = sum(map(len, groups))
        tick = Ticker(self._report, total, "chunks packed")
        done, rows = 0, []
        for place, group in enumerate(groups):
            filler, before = _filler(self.max_length), packed.rows
            for number in group.tolist():
                for members in filler.add((number, reader.read(number))):
                    packed.write(min(place, 1), members)
                done += 1
                tick(done)
            for members in filler.finish():
                packed.write(min(place, 1), members)
            rows.append(packed.rows - before)
        reader.close()
        packed.close()
        return rows[0], rows[1:]

    def _check_left(self, train_rows: int, eval_rows: int, *, wanted: int) -> None:
        """Raises UserError where no rows came of the documents, of which so many were wanted for evaluation."""
        if not train_rows:
            raise UserError("nothing is left to train on", self._why_nothing(), setting="dataset_name")
        if wanted and not eval_rows:
            raise UserError(
                "nothing is left to evaluate on",
                "set a larger validation_split, or 0 for none",
                setting="validation_split",
            )

    def _why_nothing(self) -> str:
        if self.config.excess_length_strategy == "drop" and self.over:
            return "every text is longer than max_length: set excess_length_strategy: split"
        if not self.splits and self.over:
            return "everything to train on lies beyond max_length: set a larger max_length"
        return "the texts are too short to train on: they have one token at most"


class _PackedFiles:
    """Packed rows as they are written: those that are trained on, with the rows of the data in each, and the others.

    Args:
        directory: where they go.
        row_of_chunk: the row of the data that each chunk is of.
    """

    def __init__(self, directory: Path, row_of_chunk: Sequence[int]) -> None:
        self._directory, self._row_of_chunk = directory, row_of_chunk
        columns = _int32("input_ids", "position_ids", "labels")
        self._files = [ArrowLists(directory / f"{part}.arrow", columns) for part in ("train", "evaluation")]
        self._sources, self._ends = array("q"), array("q")

    @property
    def rows(self) -> int:
        """How many there are."""
        return sum(file.rows for file in self._files)

    def write(self, part: int, members: list[tuple[int, Tokens]]) -> None:
        """Write a row of numbered chunks: of part 0 to be trained on, of part 1 to be evaluated on."""
        self._files[part].add(joined([chunk for _, chunk in members]))
        if part == 0:
            self._sources.extend(self._row_of_chunk[number] for number, _ in members)
            self._ends.append(len(self._sources))

    def close(self) -> tuple[int, int]:
        """Write what is left, remove the chunks, and return the rows of both parts."""
        (self._directory / CHUNKS).unlink()
        for file in self._files:
            file.close()
        RowSources.save(self._directory, self._ends, self._sources)
        return self._files[0].rows, self._files[1].rows


def _filler(max_length: int) -> Filler[tuple[int, Tokens]]:
    return Filler(max_length, lambda item: len(item[1].ids))


def _as_array(numbers: array[int]) -> Indices:
    return np.frombuffer(numbers, np.int64) if numbers else np.zeros(0, np.int64)


def _int32(*names: str) -> Columns:
    return dict.fromkeys(names, pa.int32())


def _chunks_of(bounds: Indices, documents: Indices) -> Indices:
    """The numbers of the chunks of some documents, in the order of these."""
    sizes = bounds[documents + 1] - bounds[documents]
    return np.repeat(bounds[documents] - (np.cumsum(sizes) - sizes), sizes) + np.arange(sizes.sum())
