"""Kinds of data files, told by their names."""

from __future__ import annotations

from pathlib import Path

KINDS = {
    ".txt": "text",
    ".md": "markdown",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".arrow": "arrow",
}
TABLES = frozenset({"jsonl", "json", "csv", "tsv", "parquet", "arrow"})
"""Kinds that have rows and columns, as against running text."""

BINARY = frozenset({"parquet", "arrow"})
LINED = frozenset({"text", "markdown", "jsonl", "csv", "tsv"})
"""Kinds whose rows go by the line they begin on."""


def kind_of(path: Path) -> tuple[str, bool] | None:
    """The kind of a file by its name, and whether it is compressed; None where it is no data file."""
    suffixes = [suffix.lower() for suffix in path.suffixes[-2:]]
    packed = bool(suffixes) and suffixes[-1] == ".gz"
    suffix = (suffixes[-2] if len(suffixes) == 2 else "") if packed else (suffixes[-1] if suffixes else "")
    kind = KINDS.get(suffix)
    if kind is None or (packed and kind in BINARY):
        return None
    return kind, packed


def place_in(file: str, number: int) -> str:
    """The place of a row in words: the line in files whose rows are lines, else the row."""
    kind = kind_of(Path(file))
    return f"{'line' if kind is not None and kind[0] in LINED else 'row'} {number:,}"
