"""Writing the rows of tokens that are trained on: one pass over the documents, packed or one a row."""

from __future__ import annotations

import itertools
from array import array
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from tui_finetune.config.schema import RunConfig
from tui_finetune.data.cache import Entry
from tui_finetune.data.chunk import Cutter
from tui_finetune.data.examples import Reader, documents, leave_out, none_left, take_note
from tui_finetune.data.formats.conversations import Unfit
from tui_finetune.data.problems import Tally
from tui_finetune.data.segments import Example
from tui_finetune.data.source import Source
from tui_finetune.data.split import Indices, divide
from tui_finetune.data.tokens.pack import Packer, labels_of
from tui_finetune.data.tokens.tokenize import Encoder, Tokens, batched
from tui_finetune.errors import UserError
from tui_finetune.system.progress import Report, Ticker

FLUSH_TOKENS = 1 << 19


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


class ArrowLists:
    """Writes rows of lists of int32 to an Arrow file, a batch at a time."""

    def __init__(self, path: Path, names: list[str]) -> None:
        self.rows = 0
        self._schema = pa.schema([(name, pa.list_(pa.int32())) for name in names])
        self._file = pa.ipc.new_stream(str(path), self._schema)
        self._waiting: list[tuple[Any, ...]] = []
        self._tokens = 0

    def add(self, row: tuple[Any, ...]) -> None:
        self._waiting.append(row)
        self._tokens += len(row[0])
        self.rows += 1
        if self._tokens >= FLUSH_TOKENS or len(self._waiting) >= 10_000:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._file.close()

    def _flush(self) -> None:
        if not self._waiting:
            return
        arrays = []
        for column in zip(*self._waiting, strict=True):
            offsets = np.zeros(len(column) + 1, np.int32)
            np.cumsum([len(values) for values in column], out=offsets[1:])
            flat = np.concatenate(column).astype(np.int32, copy=False)
            arrays.append(pa.ListArray.from_arrays(pa.array(offsets), pa.array(flat)))
        self._file.write_batch(pa.record_batch(arrays, schema=self._schema))
        self._waiting, self._tokens = [], 0


class RowsWriter:
    """Makes the rows of a data set that isn't in the cache yet."""

    def __init__(
        self,
        source: Source,
        config: RunConfig,
        tokenizer: Any,
        max_length: int,
        reader: Reader,
        *,
        plain: bool,
        report: Report | None,
    ) -> None:
        """
        Args:
            plain: make them as the plain script does (see `prepare.prepare`).
        """
        self.source, self.config, self.tokenizer, self.reader = source, config, tokenizer, reader
        self.max_length, self.plain, self.tally = max_length, plain, Tally()
        self._tick = Ticker(report, len(source.rows), "rows")
        self._row = 0
        self.encoder = Encoder(tokenizer, train_on_eos=config.train_on_eos, rendered=reader.rendered)
        self.cutter = Cutter(self.encoder, reader, config, max_length)
        self.left_out = self.tokens = self.trained = self.over = self.highest = self.longest = 0

    def write(self, entry: Entry) -> None:
        """Put the rows into the cache.

        Args:
            entry: where they go: `train.arrow` and `evaluation.arrow` if packed; else `rows.arrow`, with the numbers of
                the rows for each in `train.npy` and `evaluation.npy`.

        Raises:
            UserError: there are too few documents to keep some aside, or nothing is left.
        """
        with entry.building() as (directory, content):
            pieces = self._write_pieces(directory / ("pieces.arrow" if self.config.packing else "rows.arrow"))
            usable = len(pieces) - 1
            if not usable:
                raise none_left(self.source, self.reader.shape, self.tally)
            train, evaluation = divide(usable, self.config)
            if self.config.packing:
                train_rows, eval_rows = self._pack(directory, pieces, evaluation)
            else:
                train_rows, eval_rows = self._number(directory, pieces, train, evaluation)
            if not train_rows:
                raise UserError("nothing is left to train on", self._why_nothing(), setting="dataset_name")
            if len(evaluation) and not eval_rows:
                raise UserError(
                    "nothing is left to evaluate on",
                    "set a larger validation_split, or 0 for none",
                    setting="validation_split",
                )
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
            )
            content["statistics"] = asdict(statistics)
            content["problems"] = [problem.to_json() for problem in self.tally.problems()]

    def _why_nothing(self) -> str:
        if self.config.excess_length_strategy == "drop" and self.over:
            return "every text is longer than max_length: set excess_length_strategy: split"
        if not self.reader.splits and self.over:
            return "what is to be learned begins beyond max_length: set a larger max_length"
        return "the texts are too short to learn from: they have one token at most"

    def _examples(self) -> Iterator[tuple[int, Example]]:
        """The documents, each with the number of its row; what has none, or lost a part, is noted."""
        for row, example in enumerate(documents(self.source, self.reader, keep_blank=self.plain)):
            if isinstance(example, Unfit):
                leave_out(self.tally, self.source, row, example.what)
            else:
                take_note(self.tally, self.source, row, self.reader)
                yield row, example

    def _encoded(self) -> Iterator[tuple[int, Example, Tokens]]:
        """All documents in order, each with the number of its row and its tokens."""
        for batch in batched(self._examples()):
            self._row = batch[0][0]
            encoded = self.encoder.encode([example for _, example in batch], self._alive)
            for (row, example), tokens in zip(batch, encoded, strict=True):
                self.longest = max(self.longest, len(tokens.ids))
                self.over += len(tokens.ids) > self.max_length
                yield row, example, tokens
            self._row = batch[-1][0]
            self._tick(self._row + 1)

    def _alive(self) -> None:
        """Tell where the work is, and end it when asked to."""
        self._tick(self._row)

    def _leave_out(self, row: int, what: str) -> None:
        self.left_out += 1
        leave_out(self.tally, self.source, row, what)

    def _pieces(self, row: int, example: Example, tokens: Tokens) -> list[Tokens]:
        """A document in the pieces that are trained on, counted."""
        pieces, why_none = self.cutter.pieces(tokens, example)
        if why_none:
            self._leave_out(row, why_none)
        for piece in pieces:
            self.tokens += len(piece.ids)
            self.trained += int(piece.trained.sum())
            self.highest = max(self.highest, int(piece.ids.max(initial=0)))
        return pieces

    def _write_pieces(self, path: Path) -> Indices:
        """Write the pieces of all documents, a row each, in the one pass over the data.

        Returns:
            The number of the first piece of each document, and at the end that of all pieces.
        """
        # Beside the tokens, what the tokenizer returns: the plain script passes that on to the model.
        others = [name for name in self.tokenizer("a") if name != "input_ids"] if self.plain else ["labels"]
        file = ArrowLists(path, ["input_ids", *others])
        first = array("q", [0])
        for row, example, tokens in self._encoded():
            for piece in self._pieces(row, example, tokens):
                if self.plain:
                    ones, zeros = np.ones(len(piece.ids), np.int32), np.zeros(len(piece.ids), np.int32)
                    file.add((piece.ids, *(ones if name == "attention_mask" else zeros for name in others)))
                elif self.config.packing:
                    file.add((piece.ids, piece.trained.astype(np.int32)))
                else:
                    file.add((piece.ids, labels_of(piece)))
            first.append(file.rows)
        file.close()
        pieces: Indices = np.frombuffer(first, np.int64)
        return pieces

    def _pack(self, directory: Path, pieces: Indices, evaluation: Indices) -> tuple[int, int]:
        """Put the pieces into rows with others, those of training and those of evaluation apart."""
        part_of = np.zeros(len(pieces) - 1, np.int8)
        part_of[evaluation] = 1
        part_of_piece = np.repeat(part_of, np.diff(pieces))
        names = ["input_ids", "position_ids", "labels"]
        files = [ArrowLists(directory / f"{part}.arrow", names) for part in ("train", "evaluation")]
        packers = [Packer(self.max_length), Packer(self.max_length)]
        path = directory / "pieces.arrow"
        for piece, part in zip(_read_pieces(path), part_of_piece, strict=True):
            for packed in packers[part].add(piece):
                files[part].add(packed)
                self._alive()
        path.unlink()
        for file, packer in zip(files, packers, strict=True):
            for packed in packer.finish():
                file.add(packed)
                self._alive()
            file.close()
        self._tick(len(self.source.rows))
        return files[0].rows, files[1].rows

    @staticmethod
    def _number(directory: Path, pieces: Indices, train: Indices, evaluation: Indices) -> tuple[int, int]:
        """Note which rows are for training and which for evaluation, in the order of the split."""
        counts = []
        for name, numbers in (("train", train), ("evaluation", evaluation)):
            sizes = pieces[numbers + 1] - pieces[numbers]
            rows = np.repeat(pieces[numbers] - (np.cumsum(sizes) - sizes), sizes) + np.arange(sizes.sum())
            np.save(directory / f"{name}.npy", rows)
            counts.append(len(rows))
        return counts[0], counts[1]


def _read_pieces(path: Path) -> Iterator[Tokens]:
    """The pieces in a file, read and not mapped: what has been read doesn't stay in the process's memory."""
    with pa.OSFile(str(path)) as file, pa.ipc.open_stream(file) as reader:
        for batch in reader:
            ids, trained = (batch.column(name) for name in ("input_ids", "labels"))
            bounds = ids.offsets.to_numpy()
            all_ids, all_trained = ids.values.to_numpy(), trained.values.to_numpy().astype(np.bool_)
            for begin, end in itertools.pairwise(bounds):
                yield Tokens(all_ids[begin:end], all_trained[begin:end])
