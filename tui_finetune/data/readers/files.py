"""Local data files: which there are, and reading them as bytes and lines within bounds."""

from __future__ import annotations

import codecs
import difflib
import glob
import gzip
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from tui_finetune.data.file_kinds import KINDS, TABLES, kind_of
from tui_finetune.data.problems import Problem
from tui_finetune.errors import UserError
from tui_finetune.system.paths import refuse_closed, refuse_strange, user_path

MAX_RECORD_BYTES = 16 * 1024 * 1024
"""The longest line, row or document that is read. It bounds the memory that reading takes."""

MAX_UNPACKED_BYTES = 64 * 1024**3
MAX_UNPACKED_RATIO = 200
RATIO_COUNTS_FROM = 64 * 1024 * 1024
"""A .gz of text shrinks 3 to 20 times. One that grows 200 times, beyond the first 64 MiB, is not data."""


ROWS_COUNT_FROM = 1_000_000
MAX_ROWS_A_BYTE = 10
"""A file of more than a million rows with more than so many of them in a byte holds nothing but repetition."""


@dataclass(frozen=True)
class DataFile:
    """A file of data: its path, its kind (a value of KINDS), whether it is compressed with gzip, and its size."""

    path: Path
    kind: str
    packed: bool
    size: int
    modified: int

    @property
    def name(self) -> str:
        return str(self.path)


class Unpacked:
    """Counts what a compressed file unpacks to; raises UserError where that can't be data."""

    def __init__(self, file: DataFile) -> None:
        self._file = file
        self._bytes = self._rows = 0
        self._since = (0, 0)

    def add(self, count: int) -> None:
        """So many bytes more have come out."""
        self._bytes += count
        self.check(self._bytes, self._file.size)

    def add_rows(self, count: int) -> None:
        """So many rows more are there, or are said to be."""
        self._rows += count
        if self._rows > ROWS_COUNT_FROM and self._rows > MAX_ROWS_A_BYTE * self._file.size:
            raise UserError(
                f"{self._file.name} says that it has {self._rows:,} rows, in {self._file.size:,} bytes",
                "a file like that holds no text; choose other data",
                setting="dataset_name",
            )

    def read(self, given: int, position: int) -> None:
        """So many bytes in all have come of so many of the file. Looked at in windows: a part that is none of text counts
        wherever it is."""
        if given - self._since[0] < RATIO_COUNTS_FROM:
            return
        self.check(given - self._since[0], position - self._since[1] + RATIO_COUNTS_FROM // _SLACK_SHARE, allowed=1)
        self._since = (given, position)

    def check(self, unpacked: int, packed: int, allowed: int | None = None) -> None:
        """Raise UserError where a part of the file unpacks to what can't be text."""
        allowed = RATIO_COUNTS_FROM if allowed is None else allowed
        if unpacked > MAX_UNPACKED_BYTES or (unpacked > allowed and unpacked > MAX_UNPACKED_RATIO * max(packed, 1)):
            raise UserError(
                f"{self._file.name} unpacks to more than {MAX_UNPACKED_RATIO} times its size, which can't be text",
                "write it anew without repetitions, or unpack it yourself if you trust it",
                setting="dataset_name",
            )


_SLACK_SHARE = 512
"""The part of a window that may have been read ahead of it: 128 KiB."""


def looks_like_path(name: str) -> bool:
    """Whether a data set's name can only be meant as a local path."""
    return (
        name.startswith(("/", "./", "../", "~", "."))
        or any(sign in name for sign in "*?[")
        or kind_of(Path(name)) is not None
        or name.count("/") > 1
    )


def find_files(name: str) -> tuple[list[DataFile], list[Problem]] | None:
    """The data files that a path, folder or glob stands for, in order of their names; None where nothing is there.

    In a folder that has tables (.jsonl, .csv ...), .txt and .md files beside them are taken for notes and left out.

    Raises:
        UserError: there is something, and no data in it.
    """
    path = user_path(name, "dataset_name")
    refuse_strange(path, name, "dataset_name")
    if path.exists():
        refuse_closed(path, name, "dataset_name")
    if path.is_file():
        return [data_file(path)], []
    if path.is_dir():
        found = [p for p in sorted(path.rglob("*")) if not _hidden(p.relative_to(path)) and p.is_file()]
        return _choose(found, name)
    if any(sign in name for sign in "*?["):
        found = sorted(Path(p) for p in glob.glob(str(path), recursive=True))
        return _choose([p for p in found if p.is_file()], name)
    return None


def nearest_path(name: str) -> str | None:
    """The file or folder beside a missing one that is called most like it."""
    path = user_path(name)
    try:
        names = [entry.name for entry in path.parent.iterdir()]
    except OSError:
        return None
    near = difflib.get_close_matches(path.name, names, n=1)
    return str(path.parent / near[0]) if near else None


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _choose(found: list[Path], name: str) -> tuple[list[DataFile], list[Problem]]:
    kinds = {path: kind for path in found if (kind := kind_of(path)) is not None}
    if not kinds:
        raise UserError(
            f"{name} has no data files" if found else f"{name} has no files",
            f"data files end in {', '.join(KINDS)}; all but .parquet and .arrow may also be .gz",
            setting="dataset_name",
        )
    tables = [path for path, (kind, _) in kinds.items() if kind in TABLES]
    taken = tables or list(kinds)
    left = len(found) - len(taken)
    problems = []
    if left:
        first = next(path for path in found if path not in set(taken))
        message = f"{first.name} is not read" if left == 1 else f"{left} files are not read, {first.name} the first"
        remedy = "text files beside tables are taken for notes" if tables else "name the file itself to read it"
        problems.append(Problem(message, remedy, file=str(first)))
    return [data_file(path) for path in taken], problems


def data_file(path: Path) -> DataFile:
    """A data file that is there; raises UserError where its name is none of a data file."""
    kind = kind_of(path)
    if kind is None:
        raise UserError(
            f"{path}: not a kind of file that can be read as data",
            f"data files end in {', '.join(KINDS)}; all but .parquet and .arrow may also be .gz",
            setting="dataset_name",
        )
    status = path.stat()
    return DataFile(path, *kind, status.st_size, status.st_mtime_ns)


class ByteStream:
    """The bytes of a data file, decompressed within bounds; raises UserError for whatever is wrong with the file."""

    def __init__(self, file: DataFile) -> None:
        self.file = file
        self._given = 0
        self._unpacked = Unpacked(file)
        try:
            self._raw = file.path.open("rb")
        except OSError as error:
            raise UserError(
                f"{file.name}: {error.strerror}", "check the path and its permissions", setting="dataset_name"
            ) from None
        self._data: io.BufferedIOBase = self._raw
        if file.packed:
            self._look_ahead()
            self._data = gzip.GzipFile(fileobj=self._raw)

    def _look_ahead(self) -> None:
        """See in a fraction of a second whether the beginning unpacks to what can't be text: 64 MB of blank lines would
        take a minute to read as lines."""
        self._data = gzip.GzipFile(fileobj=self._raw)
        while self._given <= RATIO_COUNTS_FROM and self.read(1 << 20):
            pass
        self._given, self._unpacked = 0, Unpacked(self.file)
        self._raw.seek(0)

    @property
    def position(self) -> int:
        """How many bytes of the file on disk have been used."""
        return self._raw.tell()

    def readline(self, limit: int) -> bytes:
        """The next line with its newline, at most ``limit`` bytes of it; empty at the end."""
        return self._get(self._data.readline, limit)

    def read(self, size: int) -> bytes:
        """At most so many bytes; empty at the end."""
        return self._get(self._data.read, size)

    def _get(self, read: object, size: int) -> bytes:
        remedy = "download the file again, or compress it again with gzip"
        try:
            data: bytes = read(size)  # type: ignore[operator]
        except gzip.BadGzipFile as error:
            what = "is not a gzip file" if "Not a gzipped" in str(error) else "is damaged"
            raise UserError(f"{self.file.name} {what}", remedy, setting="dataset_name") from None
        except EOFError:
            raise UserError(f"{self.file.name} is cut short", remedy, setting="dataset_name") from None
        except zlib.error:
            raise UserError(f"{self.file.name} is damaged", remedy, setting="dataset_name") from None
        except OSError as error:
            raise UserError(
                f"{self.file.name}: {error.strerror or error}", "check the disk", setting="dataset_name"
            ) from None
        self._given += len(data)
        if self.file.packed:
            self._unpacked.read(self._given, self.position)
        return data

    def __enter__(self) -> ByteStream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._data.close()
        self._raw.close()


def decode(data: bytes, file: DataFile, line: int, start: int) -> str:
    """Bytes as text.

    Args:
        data: the bytes of a line, or of several.
        file: where they are from.
        line: number of the first line, from 1.
        start: position of the first byte in the file, decompressed.

    Raises:
        UserError: they are not UTF-8; names the file, line and byte.
    """
    if start == 0:
        if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise UserError(f"{file.name} is UTF-16", "save it as UTF-8", setting="dataset_name")
        data = data.removeprefix(codecs.BOM_UTF8)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line += data.count(b"\n", 0, error.start)
        raise UserError(
            f"{file.name}, line {line}: byte {start + error.start} is not UTF-8 (0x{data[error.start]:02x})",
            f"save the file as UTF-8, for instance with `iconv -f WINDOWS-1252 -t UTF-8 {file.path.name}`",
            setting="dataset_name",
        ) from None


def too_long(file: DataFile, number: int, what: str) -> UserError:
    """The error for a line, row or document beyond the bound."""
    return UserError(
        f"{file.name}, {what} {number}: longer than {MAX_RECORD_BYTES // 2**20} MiB",
        "split it into several texts; documents that long can't be trained on as one anyway",
        setting="dataset_name",
    )


def read_lines(stream: ByteStream) -> Iterator[tuple[int, str]]:
    """The lines of a file with their newlines, numbered from 1, without a byte order mark.

    Raises:
        UserError: a line isn't UTF-8, or is longer than MAX_RECORD_BYTES.
    """
    number = position = 0
    while line := stream.readline(MAX_RECORD_BYTES + 1):
        number += 1
        if len(line) > MAX_RECORD_BYTES:
            raise too_long(stream.file, number, "line")
        yield number, decode(line, stream.file, number, position)
        position += len(line)
