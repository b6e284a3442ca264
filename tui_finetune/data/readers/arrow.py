"""Arrow files as rows, as `datasets` keeps them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from tui_finetune.data.readers.files import DataFile
from tui_finetune.data.readers.parquet import BATCH_ROWS, has_bytes, plain_row
from tui_finetune.errors import UserError

FILE_MAGIC = b"ARROW1"


def read_arrow(file: DataFile) -> Iterator[tuple[int, dict[str, Any]]]:
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
            for batch in batches:
                batch.validate(full=True)
                narrow = batch.select(names)
                for start in range(0, narrow.num_rows, BATCH_ROWS):
                    rows = narrow.slice(start, BATCH_ROWS).to_pylist()
                    yield from enumerate(map(plain_row, rows), done + 1)
                    done += len(rows)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        if isinstance(error, PermissionError):
            raise UserError(f"{file.name}: {error.strerror}", "check its permissions", setting="dataset_name") from None
        what = "is not a whole Arrow file" if not done else f"is damaged after row {done}"
        raise UserError(f"{file.name} {what}", "get or write the file again", setting="dataset_name") from None
