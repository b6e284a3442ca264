"""Some rows of a data set, spread over it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from tui_finetune.data.readers.row import Row
from tui_finetune.data.source import Source

SAMPLE_BLOCKS = 100
BLOCK_ROWS = 500


def sampled_rows(source: Source, columns: Sequence[str], max_rows: int) -> Iterator[tuple[int, Row]]:
    """Numbered rows, from 0: all, or blocks spread evenly over the data set, the first rows among them.

    Args:
        source: the open data set.
        columns: those that are needed.
        max_rows: no more rows than this.
    """
    rows = source.rows.select_columns(list(columns)).with_format("arrow")
    total = len(rows)
    blocks = min(SAMPLE_BLOCKS, max_rows) if total > max_rows else math.ceil(total / BLOCK_ROWS)
    size = max_rows // blocks if total > max_rows else BLOCK_ROWS
    for block in range(blocks):
        start = block * total // blocks if total > max_rows else block * size
        yield from enumerate(rows[start : start + size].to_pylist(), start)
