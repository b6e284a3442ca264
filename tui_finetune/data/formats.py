"""Recognising how the rows of a data set become documents."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tui_finetune.config import RunConfig
from tui_finetune.data.segments import Example, Segment
from tui_finetune.errors import UserError

if TYPE_CHECKING:
    from datasets import Dataset

    from tui_finetune.data.sources import Source

USUAL_NAMES = ("text", "content")

SHAPES = (
    ("messages", ({"messages"},)),
    ("sharegpt", ({"conversations"},)),
    ("prompt-completion", ({"prompt", "completion"},)),
    ("alpaca", ({"instruction", "output"},)),
    ("question and answer", ({"instruction", "response"}, {"question", "answer"})),
)
"""Forms that are known by their columns and can't be trained on yet."""


@dataclass(frozen=True)
class Format:
    """How a row becomes a document.

    Attributes:
        name: 'text'.
        reason: why it was recognised as that, in words.
        mapping: the part that a column plays, to the column's name.
    """

    name: str
    reason: str
    mapping: dict[str, str]

    @property
    def columns(self) -> list[str]:
        """The columns that are needed."""
        return list(dict.fromkeys(self.mapping.values()))

    def example(self, row: Mapping[str, Any], *, keep_blank: bool = False) -> Example | None:
        """The document in a row; None where there is no text in it.

        Args:
            row: the row.
            keep_blank: whether a text of nothing but spaces, or of nothing, counts as one.
        """
        text = row.get(self.mapping["text"])
        if text is None or not (keep_blank or text.strip()):
            return None
        return [Segment(text, True)]


@dataclass(frozen=True)
class _Columns:
    """The columns, each with the kinds of values in it and where they first are."""

    kinds: dict[str, set[str]]
    places: dict[str, dict[str, str]]

    def is_text(self, name: str) -> bool:
        return self.kinds[name] == {"text"}

    def listed(self) -> str:
        return ", ".join(list(self.kinds)[:12]) + (" ..." if len(self.kinds) > 12 else "")


def _place(file: str, row: int) -> str:
    return f"{file}, {'row' if file.endswith('.parquet') else 'line'} {row}"


def _columns(rows: Dataset, source: Source | None) -> _Columns:
    if source is not None and source.columns is not None:
        places = {
            name: {kind: _place(source.files[file], row) for kind, (file, row) in column.kinds.items()}
            for name, column in source.columns.items()
        }
        return _Columns({name: set(column.kinds) for name, column in source.columns.items()}, places)
    kinds = {}
    for name, feature in rows.features.items():
        dtype = str(getattr(feature, "dtype", ""))
        # A class label is a number that has names.
        is_text = dtype in {"string", "large_string", "string_view"} and not hasattr(feature, "names")
        kinds[name] = {"text"} if is_text else {_word(feature, dtype)}
    return _Columns(kinds, {})


def _word(feature: Any, dtype: str) -> str:
    if isinstance(feature, (list, dict)) or "List" in type(feature).__name__ or dtype in {"list", "dict"}:
        return "an object" if isinstance(feature, dict) else "a list"
    return "true or false" if dtype == "bool" else "nothing" if dtype == "null" else "a number"


def recognise(rows: Dataset | Source, config: RunConfig) -> Format:
    """How the rows become documents.

    Args:
        rows: an open data set; or only its rows, where it doesn't matter that the places of mixed values aren't known.
        config: may name the format and the column.

    Raises:
        UserError: no column can be taken for the text, or the one that was named isn't there or holds something else.
    """
    source = rows if not hasattr(rows, "features") else None
    columns = _columns(rows.rows if source is not None else rows, source)
    layout = source.layout if source is not None else ""
    chosen = config.dataset_text_field
    if chosen is not None:
        if chosen not in columns.kinds:
            raise _no_such_column(chosen, columns)
        return _text(chosen, f"the column '{chosen}' was chosen", columns)
    for name in USUAL_NAMES:
        if name in columns.kinds:
            reason = f"{source.name}: {layout}" if source and layout else f"there is a column called '{name}'"
            return _text(name, reason, columns)
    for shape, alternatives in SHAPES if config.dataset_format == "auto" else ():
        for names in alternatives:
            if names <= set(columns.kinds):
                raise UserError(
                    f"the columns {', '.join(sorted(names))} are recognised as the form '{shape}', which can't be "
                    "trained on yet",
                    "put each example into one column 'text', or set dataset_text_field to the column with the text",
                    setting="dataset_format",
                )
    candidates = [name for name, kinds in columns.kinds.items() if "text" in kinds]
    if len(candidates) == 1:
        return _text(candidates[0], f"'{candidates[0]}' is the only column of text", columns)
    if not candidates:
        raise UserError(
            f"no column holds text; there are: {columns.listed()}",
            "choose data with a column of text",
            setting="dataset_text_field",
        )
    raise UserError(
        f"which column holds the text? There are: {columns.listed()}",
        f"set dataset_text_field, for instance to '{_longest(rows, candidates)}'",
        setting="dataset_text_field",
    )


def _text(name: str, reason: str, columns: _Columns) -> Format:
    kinds = columns.kinds[name]
    others = sorted(kinds - {"text"})
    if others and "text" in kinds:
        places = columns.places.get(name, {})
        raise UserError(
            f"{places.get(others[0], 'a row')}: '{name}' is {others[0]}, elsewhere it is text",
            "make it text in every row",
            setting="dataset_text_field",
        )
    if others:
        text = [other for other in columns.kinds if columns.is_text(other)]
        raise UserError(
            f"the column '{name}' holds {others[0]}, not text",
            f"set dataset_text_field to one of: {', '.join(text)}" if text else "choose data with a column of text",
            setting="dataset_text_field",
        )
    return Format("text", reason, {"text": name})


def _no_such_column(name: str, columns: _Columns) -> UserError:
    text = [column for column in columns.kinds if columns.is_text(column)]
    near = difflib.get_close_matches(name, columns.kinds, n=1) or [c for c in text if c in USUAL_NAMES] or text
    remedy = f"did you mean '{near[0]}'?" if near else "choose data with a column of text"
    return UserError(
        f"there is no column '{name}'; there are: {columns.listed()}", remedy, setting="dataset_text_field"
    )


def _longest(rows: Any, candidates: list[str]) -> str:
    """The column with the longest texts in the first rows."""
    table = rows if hasattr(rows, "features") else rows.rows
    head = table.select_columns(candidates)[:100]
    return max(candidates, key=lambda name: sum(len(value) for value in head[name] if isinstance(value, str)))
