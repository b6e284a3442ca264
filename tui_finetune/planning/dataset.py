"""Looking at a data set for the Dataset screen: opening it, its columns, its preview. Knows no screen."""

from __future__ import annotations

import gzip
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tui_finetune.config.schema import RunConfig
from tui_finetune.data.file_kinds import LINED, kind_of
from tui_finetune.errors import UserError
from tui_finetune.system.progress import Report

if TYPE_CHECKING:
    from tui_finetune.data.previewed import Preview
    from tui_finetune.data.source import Source


GLADLY_BYTES = 50_000_000
"""A data set up to this size is looked at as soon as the cursor is on it."""


ROW_CHARACTERS = 4000
"""What is shown of a row as it stands in its file."""


@dataclass(frozen=True)
class Findings:
    """What was found.

    Attributes:
        preview: the data set as it is; None where something keeps it from being used, which is in `problem`.
        columns: each column, with what it holds in words.
        lengths_problem: why nothing is known about tokens, where the tokenizer can't be had.
    """

    preview: Preview | None = None
    columns: list[tuple[str, str]] = field(default_factory=list)
    problem: UserError | None = None
    lengths_problem: UserError | None = None


@dataclass
class TokenizerKept:
    """The tokenizer of the model that was asked for last, so that it is loaded once."""

    name: str = ""
    tokenizer: Any = None

    def of(self, config: RunConfig, report: Report | None) -> Any:
        name = f"{config.model_name_or_path} {config.model_revision or ''}"
        if name != self.name or self.tokenizer is None:
            from tui_finetune.models.loading import load_tokenizer
            from tui_finetune.models.located import locate

            model = locate(config.model_name_or_path, config.model_revision, weights=False, newest=False, report=report)
            self.tokenizer = load_tokenizer(model)
            self.name = name
        return self.tokenizer


def look(config: RunConfig, kept: TokenizerKept, report: Report | None = None) -> Findings:
    """Look at the data set that a configuration names, with the tokenizer of its model.

    Args:
        config: what is chosen.
        kept: where the tokenizer is kept between looks.
        report: told how far it is; may raise Cancelled.
    """
    from tui_finetune.system.libraries import import_libraries

    def tell(done: int, total: int | None, unit: str) -> None:
        if report is not None:
            report(done, total, unit)

    tell(0, None, "starting")
    import_libraries("torch", "transformers", "datasets")
    from tui_finetune.data.open import open_dataset
    from tui_finetune.data.preview import preview

    tell(0, None, "reading")
    columns: list[tuple[str, str]] = []
    try:
        if config.datasets is None:
            columns = columns_of(open_dataset(config, report))
        tokenizer, lengths_problem = None, None
        tell(0, None, "loading the tokenizer")
        try:
            tokenizer = kept.of(config, report)
        except UserError as error:
            lengths_problem = error
        found = preview(config, tokenizer, report, max_length=_max_length(config))
    except UserError as error:
        return Findings(columns=columns, problem=error)
    return Findings(found, columns, lengths_problem=lengths_problem)


def _max_length(config: RunConfig) -> int | None:
    """The tokens of a training row, where the model's files say what it can see."""
    from tui_finetune.models.catalog import model_facts
    from tui_finetune.models.facts import row_length

    try:
        facts = model_facts(config.model_name_or_path, config.model_revision)
    except UserError:
        return config.max_length
    return row_length(config.max_length, facts.context_length) if facts else config.max_length


def columns_of(source: Source) -> list[tuple[str, str]]:
    """The columns, each with what it holds: 'text', 'a number', 'text, sometimes a list' ..."""
    if source.columns is not None:
        return [
            (name, ", sometimes ".join(sorted(column.kinds, key=lambda kind: kind != "text")) or "nothing")
            for name, column in source.columns.items()
        ]
    return [
        (name, "text" if str(getattr(feature, "dtype", "")) in {"string", "large_string"} else "no text")
        for name, feature in source.rows.features.items()
    ]


def row_as_it_stands(file: str, number: int) -> str:
    """A row as it stands in a local file, at most its first characters: the line, or what else has rows as JSON; '' where
    it is no such file.

    Args:
        file: a path; .gz is read through.
        number: of the line, or of the row; from 1.
    """
    import json

    from tui_finetune.data.open import rows_in
    from tui_finetune.data.readers.files import data_file

    path = Path(file).expanduser()
    kind = kind_of(path)
    if kind is None:
        return ""
    try:
        if kind[0] not in LINED:
            row = next((row for place, row in rows_in(data_file(path)) if place == number), None)
            return "" if row is None else json.dumps(row, ensure_ascii=False, indent=1, default=str)[:ROW_CHARACTERS]
        with (gzip.open if kind[1] else open)(path, "rb") as lines:
            line: bytes = next(islice(lines, number - 1, None), b"")
    except (OSError, UserError):
        return ""
    return line[: 4 * ROW_CHARACTERS].decode("utf-8", "replace").rstrip("\r\n")[:ROW_CHARACTERS]


def bytes_of(name: str) -> int | None:
    """The size of a local file or of the files in a folder (not below it); None where it is no local path."""
    path = Path(name).expanduser()
    try:
        if path.is_dir():
            return sum(entry.stat().st_size for entry in path.iterdir() if entry.is_file())
        return path.stat().st_size
    except OSError:
        return None
