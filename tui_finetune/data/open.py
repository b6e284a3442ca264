"""Opening a data set: a sample, local files, or the hub.

Local files are read by readers of our own, which check every line, into memory-mapped Arrow files in the cache; so
memory does not grow with the data, and opening it again takes no time.
"""

from __future__ import annotations

import difflib
import functools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tui_finetune.config.schema import RunConfig
from tui_finetune.data.cache import Entry, fingerprint
from tui_finetune.data.hub import load_hub
from tui_finetune.data.problems import Problem, Tally
from tui_finetune.data.readers.files import ByteStream, DataFile, find_files, looks_like_path, nearest_path
from tui_finetune.data.readers.saved import saved_files
from tui_finetune.data.samples import Sample, list_samples, sample_path
from tui_finetune.errors import UserError
from tui_finetune.system.progress import Report, Ticker

if TYPE_CHECKING:
    from datasets import Dataset

    from tui_finetune.data.readers.tables import Column

__all__ = ["Sample", "Source", "list_samples", "open_dataset"]

READING = 3
"""Raise this when reading changes, so that nothing read the old way is taken from the cache."""

BATCH_ROWS = 500
FEW_ROWS = 20
"""Of a batch of the hub's rows, so many at a time become objects: rows may be long."""


@dataclass
class Source:
    """An open data set.

    Attributes:
        rows: the rows, memory-mapped.
        name: the data set's name, as it was asked for.
        files: the files it is read from; for the hub, none.
        problems: what is odd about it.
        fingerprint: a name for exactly this content.
        columns: for local files, what each column holds; all are stored as text (see `tables`). None for the hub.
        layout: how plain text was divided into documents, in words; else ''.
        note: what else should be known about where it is from, in words; else ''.
        parts: for local files, the Arrow files that `rows` are in.
    """

    rows: Dataset
    name: str
    files: list[str]
    problems: list[Problem]
    fingerprint: str
    columns: dict[str, Column] | None = None
    layout: str = ""
    note: str = ""
    parts: list[Path] = field(default_factory=list)

    def place(self, row: int) -> tuple[str, int]:
        """The file, and the line or row in it (from 1), that a row comes from. For the hub: its name and the row."""
        if not self.parts:
            return self.name, row + 1
        files, numbers = self._places
        return self.files[files[row].as_py()], int(numbers[row].as_py())

    @functools.cached_property
    def _places(self) -> tuple[Any, Any]:
        import pyarrow as pa

        with pa.memory_map(str(self.parts[0].parent / "places.arrow")) as file:
            table = pa.ipc.open_stream(file).read_all()
        return table["file"], table["row"]

    def batches(self, columns: list[str]) -> Iterator[list[dict[str, Any]]]:
        """All rows in order, a batch at a time, with only these columns.

        Files in the cache are read, not mapped: what has been read doesn't stay in the process's memory.
        """
        import pyarrow as pa

        if not self.parts:
            narrow = self.rows.select_columns(columns)
            for start in range(0, len(narrow), BATCH_ROWS):
                table = narrow.with_format("arrow")[start : start + BATCH_ROWS]
                for few in range(0, len(table), FEW_ROWS):
                    yield table.slice(few, FEW_ROWS).to_pylist()
            return
        for part in self.parts:
            with pa.OSFile(str(part)) as file, pa.ipc.open_stream(file) as reader:
                names = [name for name in columns if name in reader.schema.names]
                for batch in reader:
                    rows = batch.select(names).to_pylist()
                    yield [{name: row.get(name) for name in columns} for row in rows] if names != columns else rows


def open_dataset(config: RunConfig, report: Report | None = None) -> Source:
    """Open the data set that a configuration names.

    Raises:
        UserError: it isn't there, is empty, or something in it can't be read.
    """
    name = config.dataset_name
    sample = sample_path(name)
    if not sample and (saved := saved_files(name, config.dataset_train_split)) is not None:
        files, note = saved
        return _open_files(name, files, [], report, note)
    found = find_files(str(sample) if sample else name)
    if found is None:
        if looks_like_path(name):
            raise _missing(name)
        rows = load_hub(config, report)
        key = fingerprint("hub", name, config.dataset_config, config.dataset_train_split, rows._fingerprint)
        return Source(rows, name, [], [], key)
    if config.dataset_train_split != "train":
        raise UserError(
            f"local data has no split '{config.dataset_train_split}'",
            "leave dataset_train_split out, and name the file to train on",
            setting="dataset_train_split",
        )
    files, problems = found
    return _open_files(name, files, problems, report)


def check_present(name: str) -> None:
    """Raises UserError where a name can only mean something on this machine, and nothing is there. Takes milliseconds."""
    if sample_path(name) is None and looks_like_path(name) and find_files(name) is None:
        raise _missing(name)


def _missing(name: str) -> UserError:
    samples = [sample.name for sample in list_samples()]
    near = nearest_path(name) or next(iter(difflib.get_close_matches(name, samples, n=1)), None)
    remedy = f"did you mean '{near}'?" if near else "check the path; samples: " + (", ".join(samples) or "none")
    return UserError(f"{name}: no such file or folder", remedy, setting="dataset_name")


def _open_files(
    name: str, files: list[DataFile], problems: list[Problem], report: Report | None, note: str = ""
) -> Source:
    from datasets import Dataset, concatenate_datasets

    from tui_finetune.data.readers.tables import Column

    key = fingerprint(
        READING, [(str(file.path.absolute()), file.kind, file.packed, file.size, file.modified) for file in files]
    )
    entry = Entry("read", key)
    for _ in range(2):
        meta = entry.meta()
        if meta is None:
            _read(entry, files, report)
            meta = entry.meta()
        if meta is None:
            continue
        parts = [entry.path / part for part in meta["parts"]]
        try:
            tables = [Dataset.from_file(str(part)) for part in parts]
            break
        except (OSError, ValueError):  # damaged without a change of size; pyarrow's errors are ValueErrors
            entry.remove()
    else:
        raise UserError(f"what was read of {name} can't be kept in the cache", "look after the disk; try again")
    columns = {
        column: Column(column, {kind: (place[0], place[1]) for kind, place in kinds.items()})
        for column, kinds in meta["columns"].items()
    }
    problems = problems + [Problem(**problem) for problem in meta["problems"]]
    rows = tables[0] if len(tables) == 1 else concatenate_datasets(tables)
    return Source(rows, name, [file.name for file in files], problems, key, columns, meta["layout"], note, parts)


def _read(entry: Entry, files: list[DataFile], report: Report | None) -> None:
    """Read the files into the cache."""
    from tui_finetune.data.readers.tables import TableWriter

    tally = Tally()
    names = [file.name for file in files]
    tick = Ticker(report, sum(file.size for file in files), "bytes")
    layouts: dict[str, str] = {}
    empty: list[Problem] = []
    with entry.building() as (directory, content):
        writer = TableWriter(directory, names, tally)
        before = 0
        for index, file in enumerate(files):
            rows = 0
            for number, row, position in _rows(file, layouts):
                writer.add(index, number, row)
                rows += 1
                tick(before + min(position, file.size))
            before += file.size
            tick(before)
            if not rows:
                message = _why_empty(file)
                if len(files) == 1:
                    raise UserError(f"{file.name} {message}", "choose a file with text in it", setting="dataset_name")
                empty.append(Problem(file.name, None, f"the file {message}", "it is left out"))
        writer.close()
        if not writer.rows:
            raise UserError(
                f"none of the {len(files)} files has any rows: {files[0].name} {_why_empty(files[0])}",
                "choose files with text in them",
                setting="dataset_name",
            )
        content["parts"] = writer.parts
        content["columns"] = {column.name: column.kinds for column in writer.columns.values()}
        content["problems"] = [problem.to_json() for problem in empty + tally.problems()]
        content["layout"] = _describe(layouts)


def _rows(file: DataFile, layouts: dict[str, str]) -> Iterator[tuple[int, dict[str, Any], int]]:
    """The rows of a file, each with its line or row and with how many bytes of the file have been used."""
    from tui_finetune.data.readers import csv as csv_reader
    from tui_finetune.data.readers import json as json_reader
    from tui_finetune.data.readers import text as text_reader

    if file.kind in {"parquet", "arrow"}:
        from tui_finetune.data.readers.arrow import read_arrow
        from tui_finetune.data.readers.parquet import read_parquet

        for number, row in (read_parquet if file.kind == "parquet" else read_arrow)(file):
            yield number, row, 0
        return
    with ByteStream(file) as stream:
        if file.kind in {"text", "markdown"}:
            layout = text_reader.layout_of(file)
            layouts[file.name] = text_reader.LAYOUTS[layout]
            found: Iterator[tuple[int, dict[str, Any]]] = text_reader.read_text(file, stream, layout)
        elif file.kind == "jsonl":
            found = json_reader.read_jsonl(file, stream)
        elif file.kind == "json":
            found = json_reader.read_json(file, stream)
        else:
            found = csv_reader.read_csv(file, stream)
        for number, row in found:
            yield number, row, stream.position


def rows_in(file: DataFile) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows of a file, each with its line or row, from 1.

    Raises:
        UserError: the file is damaged.
    """
    return ((number, row) for number, row, _ in _rows(file, {}))


def _why_empty(file: DataFile) -> str:
    if file.size == 0:
        return "is empty"
    if file.kind in {"csv", "tsv"}:
        with ByteStream(file) as stream:
            has_header = bool(stream.read(1 << 20).strip())
        return "has a header and no rows" if has_header else "has only blank lines"
    if file.kind in {"text", "markdown", "jsonl"}:
        return "has only blank lines"
    return "has no rows"


def _describe(layouts: dict[str, str]) -> str:
    """How text files were divided, in words; the most usual way where there are several."""
    ways = list(layouts.values())
    if not ways:
        return ""
    usual = max(dict.fromkeys(ways), key=ways.count)
    return usual if len(set(ways)) == 1 else f"in most files {usual}"
