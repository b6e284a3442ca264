"""The documents of a data set as JSON objects, whatever format its rows had: as they were understood, in their order."""

from __future__ import annotations

from collections.abc import Iterator

from tui_finetune.data.examples import RowTransform
from tui_finetune.data.formats.conversations import conversation, scalar
from tui_finetune.data.readers.row import Row
from tui_finetune.data.segments import Unfit
from tui_finetune.data.source import Source


def understood(source: Source, transform: RowTransform, *, keep_blank: bool = False) -> Iterator[tuple[int, Row]]:
    """The documents, each with the number of its row: `text`; `prompt` and `completion`; or `messages` and, where there
    are any, `tools`. Rows that nothing can be made of are left out, as they are from training.

    Args:
        source: the open data set.
        transform: how its rows become documents.
        keep_blank: see `RowTransform.example`.
    """
    number = -1
    for batch in source.batches(transform.shape.columns):
        for row in batch:
            number += 1
            try:
                transform.example(row, keep_blank=keep_blank)
            except Unfit:
                continue
            yield number, _as_json(row, transform)


def _as_json(row: Row, transform: RowTransform) -> Row:
    shape = transform.shape
    if shape.turns:
        messages, tools, _ = conversation(row, shape)
        return {"messages": messages, **({"tools": tools} if tools else {})}
    if shape.name == "text":
        return {"text": row.get(shape.mapping["text"])}
    return {part: scalar(row.get(shape.mapping[part])) for part in ("prompt", "completion")}
