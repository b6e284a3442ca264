"""Parquet files as rows."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from tui_finetune.data.readers.arrow import BATCH_ROWS, damaged, has_bytes
from tui_finetune.data.readers.files import MAX_UNPACKED_RATIO, DataFile, Unpacked
from tui_finetune.data.readers.row import Row, plain_row
from tui_finetune.errors import UserError

MIB = 1024 * 1024
BATCH_BYTES = 128 * MIB
"""Of a batch, at most; as far as the file's own description of itself can be believed."""

_LITTLE = frozenset({"UNCOMPRESSED", "SNAPPY"})
"""Ways to compress that make at most a 21st."""


def read_parquet(file: DataFile) -> Iterator[tuple[int, Row]]:
    """The rows of a parquet file, numbered from 1. Binary columns (images, audio) are left out.

    Memory is bounded by the size of the file's row groups. What it unpacks to is bounded as that of a .gz is.

    Raises:
        UserError: it is no parquet file, or damaged.
    """
    done = 0
    try:
        with pq.ParquetFile(file.path) as table:
            names = [field.name for field in table.schema_arrow if not has_bytes(field.type)]
            unpacked = Unpacked(file)
            unpacked.add_rows(table.metadata.num_rows)
            for batch in _batches(table, names, unpacked):
                unpacked.add(batch.nbytes)
                try:
                    batch.validate(full=True)
                except pa.ArrowInvalid as error:
                    raise UserError(
                        f"{file.name}, rows {done + 1} to {done + batch.num_rows}: damaged ({str(error).strip()})",
                        "write the file again",
                        setting="dataset_name",
                    ) from None
                yield from enumerate(map(plain_row, batch.to_pylist()), done + 1)
                done += batch.num_rows
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        raise damaged(file, "parquet", done, error) from None


def _batches(table: pq.ParquetFile, names: list[str], unpacked: Unpacked) -> Iterator[pa.RecordBatch]:
    """All rows of these columns, in batches of as many rows as may be unpacked at once."""
    for number in range(table.num_row_groups):
        group = table.metadata.row_group(number)
        largest = 1
        for place in range(group.num_columns):
            column = group.column(place)
            if column.path_in_schema.split(".")[0] not in names:
                continue
            whole, packed = column.total_uncompressed_size, max(column.total_compressed_size, 1)
            unpacked.check(whole, packed)
            largest = max(largest, _largest_cell(column, whole, packed))
        rows = max(2, min(BATCH_ROWS, BATCH_BYTES // largest))
        yield from table.iter_batches(batch_size=rows, row_groups=[number], columns=names)


def _largest_cell(column: pq.ColumnChunkMetaData, whole: int, packed: int) -> int:
    """The most bytes that a cell which is there many times may have; 1 where none is.

    Values that repeat are in the file once, in a dictionary, and in memory as often as they repeat.
    """
    if not column.has_dictionary_page or column.dictionary_page_offset is None:
        return 1
    if whole > MAX_UNPACKED_RATIO * packed:
        return int(whole)
    dictionary = max(column.data_page_offset - column.dictionary_page_offset, 1)
    return int(min(whole, dictionary * (21 if column.compression in _LITTLE else MAX_UNPACKED_RATIO)))
