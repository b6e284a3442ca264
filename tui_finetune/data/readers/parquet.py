"""Parquet files as rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tui_finetune.data.readers.files import DataFile
from tui_finetune.data.readers.rows import without_nulls
from tui_finetune.errors import UserError

BATCH_ROWS = 500


def read_parquet(file: DataFile) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows of a parquet file, numbered from 1. Binary columns (pictures, sound) are left out.

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
                        "write the file anew",
                        setting="dataset_name",
                    ) from None
                yield from enumerate(map(plain_row, batch.to_pylist()), done + 1)
                done += batch.num_rows
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        if isinstance(error, PermissionError):
            raise UserError(f"{file.name}: {error.strerror}", "check its permissions", setting="dataset_name") from None
        what = "is not a whole parquet file" if not done else f"is damaged after row {done}"
        raise UserError(f"{file.name} {what}", "get or write the file again", setting="dataset_name") from None


def plain_row(row: dict[str, Any]) -> dict[str, Any]:
    """A row whose objects have only the keys that they were given; in a table all have the keys of all."""
    return {name: without_nulls(value) if isinstance(value, (dict, list)) else value for name, value in row.items()}


def has_bytes(kind: Any) -> bool:
    """Whether values of an Arrow type are, or hold, bytes that are no text."""
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return True
    if pa.types.is_struct(kind):
        return any(has_bytes(kind.field(number).type) for number in range(kind.num_fields))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return has_bytes(kind.value_type)
    return False
