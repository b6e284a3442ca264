"""Files of token lists: written a batch at a time, read in order or one by one."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tui_finetune.data.tokens.tokenize import Tokens

FLUSH_TOKENS = 1 << 19
FLUSH_ROWS = 10_000

KEPT_BATCHES = 32
"""Batches that are kept unpacked while chunks are read one by one: several data sets are read from at the same time."""

Values = npt.NDArray[np.int32] | npt.NDArray[np.bool_]
Columns = dict[str, pa.DataType]


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


def read_chunks(path: Path) -> Iterator[Tokens]:
    """The chunks in a file, in order, as copies: a chunk that waits to be packed keeps no other in memory."""
    with pa.OSFile(str(path)) as file, pa.ipc.open_stream(file) as reader:
        for batch in reader:
            bounds = batch.column("ids").offsets.to_numpy().tolist()
            ids = batch.column("ids").values.to_numpy()
            trained = batch.column("trained").values.to_numpy(zero_copy_only=False)
            for begin, end in pairwise(bounds):
                yield Tokens(ids[begin:end].copy(), trained[begin:end].copy())


class ChunkReader:
    """Reads chunks by their numbers, in any order.

    Args:
        path: of a file with the columns `ids` and `trained`.
    """

    def __init__(self, path: Path) -> None:
        self._file = pa.memory_map(str(path))
        self._batches = [batch for batch in pa.ipc.open_stream(self._file) if batch.num_rows]
        self._ends = np.cumsum([batch.num_rows for batch in self._batches])
        self._unpacked = lru_cache(KEPT_BATCHES)(self._unpack)

    def read(self, number: int) -> Tokens:
        """A chunk, as a copy."""
        place = int(np.searchsorted(self._ends, number, side="right"))
        bounds, ids, trained = self._unpacked(place)
        row = number - (int(self._ends[place - 1]) if place else 0)
        begin, end = int(bounds[row]), int(bounds[row + 1])
        return Tokens(ids[begin:end].copy(), trained[begin:end].copy())

    def close(self) -> None:
        """Let go of the file, so that it can be removed."""
        self._unpacked.cache_clear()
        self._batches = []
        self._file.close()

    def _unpack(self, place: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.bool_]]:
        batch = self._batches[place]
        ids, trained = batch.column("ids"), batch.column("trained")
        return ids.offsets.to_numpy(), ids.values.to_numpy(), trained.values.to_numpy(zero_copy_only=False)
