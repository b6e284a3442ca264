"""Parquet files as rows."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from tui_finetune.data.readers.arrow import BATCH_ROWS, damaged, has_bytes
from tui_finetune.data.readers.files import DataFile
from tui_finetune.data.readers.row import Row, plain_row
from tui_finetune.errors import UserError


def read_parquet(file: DataFile) -> Iterator[tuple[int, Row]]:
    """The rows of a parquet file, numbered from 1. Binary columns (images, audio) are left out.

    Memory is bounded by the size of the file's row groups.

    Raises:
        UserError: it is no parquet file, or damaged.
    """
    done = 0
    try:
        with pq.ParquetFile(file.path) as table:
            names = [field.name for field in table.schema_arrow if not has_bytes(field.type)]
            for batch in table.iter_batches(batch_size=BATCH_ROWS, columns=names):
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
