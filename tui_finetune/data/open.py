"""Opening a data set: a sample, local files, or the hub.

Local files are read by readers of our own, which check every line, into memory-mapped Arrow files in the cache; so
memory does not grow with the data, and opening it again takes no time.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator

from tui_finetune.config.mixture import configs_of, eval_configs_of
from tui_finetune.config.schema import RunConfig
from tui_finetune.data.cache import Entry, fingerprint
from tui_finetune.data.problems import Problem, Tally
from tui_finetune.data.readers.files import ByteStream, DataFile, Unpacked, find_files, looks_like_path, nearest_path
from tui_finetune.data.readers.hub import load_hub
from tui_finetune.data.readers.row import Row
from tui_finetune.data.readers.saved import saved_files, saved_splits
from tui_finetune.data.readers.splits import TRAIN, left_aside, splits_in, validation_among
from tui_finetune.data.samples import list_samples, sample_path
from tui_finetune.data.source import Source
from tui_finetune.errors import UserError
from tui_finetune.system.progress import Report, Ticker

READING = 3
"""Raise this when reading changes, so that nothing read the old way is taken from the cache."""


def open_dataset(config: RunConfig, report: Report | None = None) -> Source:
    """Open the data set that a configuration names.

    Raises:
        UserError: it isn't there, is empty, or something in it can't be read.
    """
    source = _open(config, report)
    if source.files and (begin := _FIRST.fullmatch(config.dataset_train_split)) is not None:
        count, percent = int(begin[1]), bool(begin[2])
        source = source.first(max(1, len(source.rows) * min(count, 100) // 100 if percent else count))
    return _limited(source, config)


def _limited(source: Source, config: RunConfig) -> Source:
    return source.first(config.max_samples) if config.max_samples else source


_FIRST = re.compile(r"train\[:(\d+)(%?)\]")

"""The beginning of local data, as `datasets` writes it: 'train[:10%]', 'train[:500]'."""


def _open(config: RunConfig, report: Report | None) -> Source:
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
    if config.dataset_train_split != "train" and not _FIRST.fullmatch(config.dataset_train_split):
        raise UserError(
            f"local data has no split '{config.dataset_train_split}'",
            "leave dataset_train_split out and name the file to train on, or take its first rows: train[:10%], train[:500]",
            setting="dataset_train_split",
        )
    files, problems = found
    splits = splits_in(name)
    if evaluates_on(config, splits) is not None:
        files, problems = (
            splits[TRAIN],
            [*problems, *left_aside(name, splits, (TRAIN, evaluates_on(config, splits) or ""))],
        )
    elif splits:
        others = ", ".join(split for split in splits if split != TRAIN)
        message = f"files of the splits {TRAIN} and {others} are all trained on"
        remedy = "set dataset_eval_split to evaluate on one of them, or name the file to train on"
        problems = [*problems, Problem(message, remedy, file=name)]
    return _open_files(name, files, problems, report)


def evaluates_on(config: RunConfig, splits: Iterable[str]) -> str | None:
    """The split that is evaluated on, of those that a data set has; None where rows of the training data are kept aside.

    One that is named is given back whether it is there or not.
    """
    wanted = config.dataset_eval_split
    if wanted == "none" or config.eval_dataset is not None:
        return None
    if wanted != "auto":
        return wanted
    found = validation_among(splits) if config.validation_split else None
    return None if found == config.dataset_train_split else found


def open_eval_split(config: RunConfig, training: Source, report: Report | None = None) -> Source | None:
    """The split of an open data set that is evaluated on; None where rows of the training data are to be kept aside.

    Args:
        config: names the data set, and may name the split.
        training: the split that is trained on.
        report: told how far it is.

    Raises:
        UserError: there is no such split, or something in it can't be read.
    """
    name = config.dataset_name
    if sample_path(name):
        split, known = evaluates_on(config, ()), []
    elif (saved := saved_splits(name)) is not None:
        split, known = evaluates_on(config, saved), saved
    elif training.files:
        local = splits_in(name)
        split, known = evaluates_on(config, local), list(local)
        if split in local:
            return _limited(_open_files(f"{name} ({split})", local[split], [], report), config)
    else:
        split, known = evaluates_on(config, training.rows.info.splits or {}), []
    if split is None:
        return None
    if training.files and split not in known:
        there = f"there are: {', '.join(known)}" if known else "local data has none"
        raise UserError(
            f"{name} has no split '{split}' to evaluate on; {there}",
            "leave dataset_eval_split out, or name the file in eval_dataset",
            setting="dataset_eval_split",
        )
    return open_dataset(config.model_copy(update={"dataset_train_split": split}), report)


def check_present(name: str) -> None:
    """Raises UserError where a name can only mean something on this machine, and nothing is there. Takes milliseconds."""
    if sample_path(name) is None and looks_like_path(name) and find_files(name) is None:
        raise _missing(name)


def check_all_present(config: RunConfig) -> None:
    """Raises UserError where a name can only mean something on this machine, and nothing is there. Takes milliseconds."""
    for _, own in [*configs_of(config), *eval_configs_of(config)]:
        check_present(own.dataset_name)


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
        raise UserError(f"what was read of {name} can't be written to the cache", "check the disk, then try again")
    columns = {
        column: Column(column, {kind: (place[0], place[1]) for kind, place in kinds.items()})
        for column, kinds in meta["columns"].items()
    }
    problems = problems + [Problem.from_json(problem) for problem in meta["problems"]]
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
        writer = TableWriter(directory, names, tally, [Unpacked(file) for file in files])
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
                empty.append(Problem(f"the file {message}", "it is left out", file=file.name))
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


def _rows(file: DataFile, layouts: dict[str, str]) -> Iterator[tuple[int, Row, int]]:
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
            found: Iterator[tuple[int, Row]] = text_reader.read_text(file, stream, layout)
        elif file.kind == "jsonl":
            found = json_reader.read_jsonl(file, stream)
        elif file.kind == "json":
            found = json_reader.read_json(file, stream)
        else:
            found = csv_reader.read_csv(file, stream)
        for number, row in found:
            yield number, row, stream.position


def rows_in(file: DataFile) -> Iterator[tuple[int, Row]]:
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
