"""Making the rows of tokens that are trained on, in one pass over a data set.

Each row of the data set is read, made a document, tokenized and cut into chunks once. Only when all are through is it known
how many documents there are, and with that which of them are for evaluation. So the chunks are written as they come:
without packing they are the rows already, and the split is a list of their numbers; for packing they are read back.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tui_finetune.config.schema import RunConfig
from tui_finetune.data.cache import Entry
from tui_finetune.data.chunk import Chunker, is_plain
from tui_finetune.data.examples import RowTransform, documents, leave_out, none_left
from tui_finetune.data.problems import Tally
from tui_finetune.data.readers.row import Row
from tui_finetune.data.segments import Example, has_literals
from tui_finetune.data.source import Source
from tui_finetune.data.split import divide
from tui_finetune.data.tokens.pack import Filler, joined, labels_of
from tui_finetune.data.tokens.tokenize import Encoder, Tokens, batched
from tui_finetune.errors import UserError
from tui_finetune.system.progress import Report, Ticker

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

FLUSH_TOKENS = 1 << 19
FLUSH_ROWS = 10_000
TICK_ROWS = 256

CHUNKS = "chunks.arrow"
"""Of a data set that is packed: all chunks in order, while the rows are made."""

Indices = npt.NDArray[np.int64]
Values = npt.NDArray[np.int32] | npt.NDArray[np.bool_]
Columns = dict[str, pa.DataType]


@dataclass(frozen=True)
class DataStatistics:
    """Numbers of the prepared data.

    Attributes:
        documents: how many were taken, for training and evaluation together.
        train_rows, eval_rows: rows of tokens that came of them.
        tokens: in all rows, without padding.
        trained_tokens: those of them that are trained on or evaluated.
        packing_efficiency: tokens over the room in the rows (rows times max_length); without packing, the same figure.
        over_max_length: documents with more than max_length tokens.
        left_out: rows of the data set that nothing was made of.
        max_token_id: the highest token there is; the model's vocabulary must have it.
        longest: tokens of the longest document.
        cut_tokens: tokens of documents that are in no row, as max_length cut them off.
        special_in_text: documents in whose texts there are names of special tokens, read as text.
    """

    documents: int
    train_rows: int
    eval_rows: int
    tokens: int
    trained_tokens: int
    packing_efficiency: float
    over_max_length: int
    left_out: int
    max_token_id: int
    longest: int
    cut_tokens: int = 0
    special_in_text: int = 0


class RowSources:
    """Which rows of the data set are in each training row.

    Args:
        directory: where they are kept.
    """

    def __init__(self, directory: Path) -> None:
        self._ends = np.load(directory / "source_ends.npy", mmap_mode="r")
        self._rows = np.load(directory / "sources.npy", mmap_mode="r")

    def of(self, row: int) -> list[int]:
        """The numbers of the data set's rows, from 1, that the training row is made of."""
        begin = int(self._ends[row - 1]) if row else 0
        return [int(number) + 1 for number in self._rows[begin : int(self._ends[row])]]

    @staticmethod
    def save(directory: Path, ends: Sequence[int] | Indices, rows: Sequence[int] | Indices) -> None:
        """Keep them: `rows` of the data set from 0, and where those of each training row end."""
        np.save(directory / "source_ends.npy", np.asarray(ends, np.int64))
        np.save(directory / "sources.npy", np.asarray(rows, np.int64))


class ArrowLists:
    """Writes rows of lists to an Arrow file, a batch at a time.

    Args:
        path: of the file.
        columns: their names, with the type of the values in their lists.
    """

    def __init__(self, path: Path, columns: Columns) -> None:
        self.rows = 0
        self._types = list(columns.values())
        self._schema = pa.schema([(name, pa.list_(kind)) for name, kind in columns.items()])
        self._file = pa.ipc.new_stream(str(path), self._schema)
        self._waiting: list[tuple[Values, ...]] = []
        self._tokens = 0

    def add(self, row: tuple[Values, ...]) -> None:
        self._waiting.append(row)
        self._tokens += len(row[0])
        self.rows += 1
        if self._tokens >= FLUSH_TOKENS or len(self._waiting) >= FLUSH_ROWS:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._file.close()

    def _flush(self) -> None:
        if not self._waiting:
            return
        arrays = []
        for kind, column in zip(self._types, zip(*self._waiting, strict=True), strict=True):
            offsets = np.zeros(len(column) + 1, np.int32)
            np.cumsum([len(values) for values in column], out=offsets[1:])
            arrays.append(pa.ListArray.from_arrays(pa.array(offsets), pa.array(np.concatenate(column), kind)))
        self._file.write_batch(pa.record_batch(arrays, schema=self._schema))
        self._waiting, self._tokens = [], 0


class RowsBuilder:
    """Makes the rows of a data set that isn't in the cache yet."""

    def __init__(
        self,
        source: Source,
        config: RunConfig,
        tokenizer: PreTrainedTokenizerBase,
        max_length: int,
        transform: RowTransform,
        report: Report | None,
    ) -> None:
        """
        Args:
            source: the open data set.
            config: the run's settings.
            tokenizer: makes tokens.
            max_length: tokens of a row.
            transform: makes documents.
            report: told of rows done, then of chunks packed; may raise Cancelled.
        """
        self.source, self.config, self.tokenizer, self.transform = source, config, tokenizer, transform
        self.max_length = max_length
        self.plain = is_plain(transform.shape.name, config)
        self.tally = Tally()
        self.encoder = Encoder(tokenizer, train_on_eos=config.train_on_eos, rendered=transform.rendered)
        self.chunker = Chunker(self.encoder, transform, config, max_length)
        self.left_out = self.tokens = self.trained = self.over = self.highest = self.longest = self.cut = 0
        self.special_in_text = 0
        self._row_of_chunk = array("q")
        self._report = report
        self._tick = Ticker(report, len(source.rows), "rows")
        self._row = 0

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
            usable = len(bounds) - 1
            if not usable:
                raise none_left(self.source, self.transform.shape, self.tally)
            train, evaluation = divide(usable, self.config)
            if packing:
                train_rows, eval_rows = self._pack(directory, bounds, evaluation)
            else:
                train_rows = _save_rows(directory / "train.npy", bounds, train)
                chunks = np.load(directory / "train.npy")
                RowSources.save(
                    directory, np.arange(1, train_rows + 1), np.frombuffer(self._row_of_chunk, np.int64)[chunks]
                )
                eval_rows = _save_rows(directory / "evaluation.npy", bounds, evaluation)
            self._check_left(train_rows, eval_rows, wanted=len(evaluation))
            statistics = DataStatistics(
                documents=usable - self.left_out,
                train_rows=train_rows,
                eval_rows=eval_rows,
                tokens=self.tokens,
                trained_tokens=self.trained,
                packing_efficiency=self.tokens / (train_rows + eval_rows) / self.max_length,
                over_max_length=self.over,
                left_out=len(self.source.rows) - usable + self.left_out,
                max_token_id=self.highest,
                longest=self.longest,
                cut_tokens=self.cut,
                special_in_text=self.special_in_text,
            )
            content["statistics"] = asdict(statistics)
            content["problems"] = [problem.to_json() for problem in self.tally.problems()]

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
        for row, example, tokens in self._encoded():
            for chunk in self._chunks(row, example, tokens):
                file.add(as_row(chunk))
                self._row_of_chunk.append(row)
            first_chunk.append(file.rows)
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

    def _encoded(self) -> Iterator[tuple[int, Example, Tokens]]:
        """All documents in order, each with the number of its row and its tokens."""
        found = documents(self._rows(), self.source, self.transform, self.tally, keep_blank=self.plain)
        for batch in batched(found):
            encoded = self.encoder.encode([example for _, example in batch], self._alive)
            for (row, example), tokens in zip(batch, encoded, strict=True):
                self.longest = max(self.longest, len(tokens.ids))
                self.over += len(tokens.ids) > self.max_length
                self.special_in_text += has_literals(example)
                yield row, example, tokens
            self._alive()
        self._tick(len(self.source.rows))

    def _rows(self) -> Iterator[tuple[int, Row]]:
        """All rows, numbered from 0."""
        for batch in self.source.batches(self.transform.shape.columns):
            for row in batch:
                yield self._row, row
                self._row += 1
                if self._row % TICK_ROWS == 0:
                    self._alive()

    def _alive(self) -> None:
        """Tell where the work is, and end it when asked to."""
        self._tick(self._row)

    def _chunks(self, row: int, example: Example, tokens: Tokens) -> list[Tokens]:
        """The chunks of a document that are trained on, counted."""
        chunks, why_none = self.chunker.chunks(tokens, example)
        if why_none:
            self.left_out += 1
            leave_out(self.tally, self.source, row, why_none)
        self.cut += max(len(tokens.ids) - sum(len(chunk.ids) for chunk in chunks), 0) if chunks else 0
        for chunk in chunks:
            self.tokens += len(chunk.ids)
            self.trained += int(chunk.trained.sum())
            self.highest = max(self.highest, int(chunk.ids.max(initial=0)))
        return chunks

    # What follows from the number of documents

    def _pack(self, directory: Path, bounds: Indices, evaluation: Indices) -> tuple[int, int]:
        """Pack the chunks of each part; the numbers of rows that it makes."""
        part_of_document = np.zeros(len(bounds) - 1, np.int8)
        part_of_document[evaluation] = 1
        part_of = np.repeat(part_of_document, np.diff(bounds))
        columns = _int32("input_ids", "position_ids", "labels")
        files = [ArrowLists(directory / f"{part}.arrow", columns) for part in ("train", "evaluation")]
        fillers = [Filler(self.max_length, _size_of_numbered), Filler(self.max_length, _size_of_numbered)]
        sources, ends = array("q"), array("q")
        tick = Ticker(self._report, len(part_of), "chunks packed")

        def write(part: int, members: list[tuple[int, Tokens]]) -> None:
            files[part].add(joined([chunk for _, chunk in members]))
            if part == 0:
                sources.extend(self._row_of_chunk[number] for number, _ in members)
                ends.append(len(sources))

        for number, (part, chunk) in enumerate(zip(part_of.tolist(), _read_chunks(directory / CHUNKS), strict=True)):
            for members in fillers[part].add((number, chunk)):
                write(part, members)
                tick(number)
        (directory / CHUNKS).unlink()
        for part, filler in enumerate(fillers):
            for members in filler.finish():
                write(part, members)
                tick(len(part_of) - 1)
            files[part].close()
        RowSources.save(directory, ends, sources)
        tick(len(part_of))
        return files[0].rows, files[1].rows

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
        if not self.transform.splits and self.over:
            return "everything to train on lies beyond max_length: set a larger max_length"
        return "the texts are too short to train on: they have one token at most"


def _size_of_numbered(item: tuple[int, Tokens]) -> int:
    return len(item[1].ids)


def _int32(*names: str) -> Columns:
    return dict.fromkeys(names, pa.int32())


def _read_chunks(path: Path) -> Iterator[Tokens]:
    """The chunks in a file, in order, as copies: a chunk that waits to be packed keeps no other in memory."""
    with pa.OSFile(str(path)) as file, pa.ipc.open_stream(file) as reader:
        for batch in reader:
            bounds = batch.column("ids").offsets.to_numpy().tolist()
            ids = batch.column("ids").values.to_numpy()
            trained = batch.column("trained").values.to_numpy(zero_copy_only=False)
            for begin, end in pairwise(bounds):
                yield Tokens(ids[begin:end].copy(), trained[begin:end].copy())


def _save_rows(path: Path, bounds: Indices, numbers: Indices) -> int:
    """Save the numbers of the rows of some documents, in the order of these; how many they are."""
    sizes = bounds[numbers + 1] - bounds[numbers]
    rows = np.repeat(bounds[numbers] - (np.cumsum(sizes) - sizes), sizes) + np.arange(sizes.sum())
    np.save(path, rows)
    return len(rows)
