"""Arrow files as rows, as `datasets` keeps them."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from tui_finetune.data.readers.files import DataFile, Unpacked
from tui_finetune.data.readers.row import Row, plain_row
from tui_finetune.errors import UserError

BATCH_ROWS = 500
FILE_MAGIC = b"ARROW1"


def read_arrow(file: DataFile) -> Iterator[tuple[int, Row]]:
    """The rows of an Arrow file, of either of its two kinds, numbered from 1. Binary columns are left out.

    Raises:
        UserError: it is no Arrow file, or damaged.
    """
    done = 0
    try:
        with pa.OSFile(str(file.path)) as raw:
            is_file = raw.read(len(FILE_MAGIC)) == FILE_MAGIC
            raw.seek(0)
            reader = pa.ipc.open_file(raw) if is_file else pa.ipc.open_stream(raw)
            names = [field.name for field in reader.schema if not has_bytes(field.type)]
            batches = map(reader.get_batch, range(reader.num_record_batches)) if is_file else reader
            unpacked = Unpacked(file)
            for batch in batches:
                unpacked.add_rows(batch.num_rows)
                unpacked.add(batch.nbytes)
                batch.validate(full=True)
                narrow = batch.select(names)
                for start in range(0, narrow.num_rows, BATCH_ROWS):
                    rows = narrow.slice(start, BATCH_ROWS).to_pylist()
                    yield from enumerate(map(plain_row, rows), done + 1)
                    done += len(rows)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        raise damaged(file, "Arrow", done, error) from None


def damaged(file: DataFile, kind: str, done: int, error: Exception) -> UserError:
    """The error where a file of this kind can't be read any further.

    Args:
        file: the file.
        kind: 'Arrow' or 'parquet'.
        done: how many rows were read.
        error: what pyarrow, or the system, says.
    """
    if isinstance(error, PermissionError):
        return UserError(f"{file.name}: {error.strerror}", "check its permissions", setting="dataset_name")
    what = f"is not a complete {kind} file" if not done else f"is damaged after row {done}"
    return UserError(f"{file.name} {what}", "download it or write it again", setting="dataset_name")


def has_bytes(kind: pa.DataType) -> bool:
    """Whether values of an Arrow type are, or hold, bytes that are no text."""
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return True
    if pa.types.is_struct(kind):
        return any(has_bytes(kind.field(number).type) for number in range(kind.num_fields))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return has_bytes(kind.value_type)
    return False
