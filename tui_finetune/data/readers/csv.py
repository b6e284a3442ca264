"""Tables of comma-, semicolon- or tab-separated values as rows. Every cell is text: NA and null are words."""

from __future__ import annotations

import csv
from collections.abc import Iterator

from tui_finetune.data.readers.files import MAX_RECORD_BYTES, ByteStream, DataFile, read_lines, too_long
from tui_finetune.errors import UserError

REMEDY = 'put text with commas, quotes or line breaks in "quotes", and write a quote inside as ""'


def _delimiter(header: str, file: DataFile) -> str:
    if file.kind == "tsv":
        return "\t"
    return next((sign for sign in ",;\t" if sign in header), ",")


class _Source:
    """The lines for csv.reader, which also knows the number of the last one given."""

    def __init__(self, lines: Iterator[tuple[int, str]]) -> None:
        self._lines = lines
        self.number = 0
        self.first = ""

    def __iter__(self) -> _Source:
        return self

    def __next__(self) -> str:
        if self.first:
            line, self.first = self.first, ""
            return line
        self.number, line = next(self._lines)
        return line

    def peek(self) -> str:
        """The first line that isn't blank, which is still given."""
        for number, line in self._lines:
            if line.strip():
                self.number, self.first = number, line
                return line
        return ""


def read_csv(file: DataFile, stream: ByteStream) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a table, each with the line it begins on. The first row names the columns.

    Raises:
        UserError: broken quoting, a row with more or fewer cells than the header, a column named twice.
    """
    source = _Source(read_lines(stream))
    header_line = source.peek()
    if not header_line:
        return
    # The module's own limit of 128 Ki characters is too low for documents; it can only be set for the whole process.
    csv.field_size_limit(MAX_RECORD_BYTES)
    reader = csv.reader(source, delimiter=_delimiter(header_line, file), strict=True)
    names: list[str] = []
    while True:
        begin = source.number + (1 if names else 0)
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise _broken(error, file, begin, source.number) from None
        if not cells:
            continue
        if not names:
            names = _names(cells, file, begin)
            continue
        if len(cells) != len(names):
            raise UserError(
                f"{file.name}, line {begin}: {len(cells)} cells, where the header has {len(names)}",
                REMEDY,
                setting="dataset_name",
            )
        yield begin, dict(zip(names, cells, strict=True))


def _names(cells: list[str], file: DataFile, line: int) -> list[str]:
    names = [cell.strip() or f"column {number}" for number, cell in enumerate(cells, 1)]
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UserError(
            f"{file.name}, line {line}: two columns are called '{twice}'", "rename one", setting="dataset_name"
        )
    return names


def _broken(error: csv.Error, file: DataFile, begin: int, last: int) -> UserError:
    words = str(error)
    if "field limit" in words:
        return too_long(file, begin, "a quote is not closed, or a cell is too long: the row from line")
    if "unexpected end of data" in words:
        return UserError(
            f"{file.name}, line {begin}: a quote that begins in this row is never closed", REMEDY, "dataset_name"
        )
    if "expected after" in words:
        words = "there is text after a closing quote"
    where = f"line {begin}" if begin >= last else f"lines {begin} to {last}"
    return UserError(f"{file.name}, {where}: broken quoting: {words}", REMEDY, setting="dataset_name")
