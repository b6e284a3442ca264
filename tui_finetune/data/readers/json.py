"""JSON and JSON lines as rows, streamed, each row with its place."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator

from tui_finetune.data.readers.files import MAX_RECORD_BYTES, ByteStream, DataFile, read_lines, too_long
from tui_finetune.data.readers.row import Row
from tui_finetune.errors import UserError

CHUNK_BYTES = 1 << 20
SHAPE = 'a row is an object, as {"text": "Once upon a time"}'


class _DuplicateKey(ValueError):
    pass


def _pairs(pairs: list[tuple[str, object]]) -> dict[str, object]:
    row = dict(pairs)
    if len(row) != len(pairs):
        seen: set[str] = set()
        raise _DuplicateKey(next(key for key, _ in pairs if key in seen or seen.add(key)))  # type: ignore[func-returns-value]
    return row


_decoder = json.JSONDecoder(object_pairs_hook=_pairs)


def _explain(error: Exception, file: DataFile, line: int) -> UserError:
    """What is wrong with a row, in plain words."""
    if isinstance(error, _DuplicateKey):
        return UserError(
            f"{file.name}, line {line}: the key '{error}' is there twice", "keep one of them", setting="dataset_name"
        )
    if isinstance(error, json.JSONDecodeError):
        where = f"column {error.colno}" if error.lineno == 1 else f"line {line + error.lineno - 1}"
        what = error.msg[:1].lower() + error.msg[1:]
        return UserError(
            f"{file.name}, line {line}: not valid JSON: {what} ({where})",
            "repair the line, or remove it; it may have been cut short",
            setting="dataset_name",
        )
    what = "nested too deeply" if isinstance(error, RecursionError) else str(error)
    return UserError(f"{file.name}, line {line}: {what}", SHAPE, setting="dataset_name")


def _not_object(file: DataFile, line: int, value: object) -> UserError:
    return UserError(f"{file.name}, line {line}: {json_kind(value)}, not an object", SHAPE, setting="dataset_name")


def json_kind(value: object) -> str:
    """What a JSON value is, in a word, with its article where it has one."""
    if value is None:
        return "null"
    names = {str: "text", bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return names.get(type(value), "a value")


def read_jsonl(file: DataFile, stream: ByteStream) -> Iterator[tuple[int, Row]]:
    """The rows of a file of JSON lines with their line numbers; blank lines are passed over.

    Raises:
        UserError: a line is not JSON, no object, or has a key twice.
    """
    for number, line in read_lines(stream):
        text = line.strip()
        if not text:
            continue
        try:
            row = _decoder.decode(text)
        except (ValueError, RecursionError) as error:
            if number == 1 and text == "[":
                # An array written over several lines, called .jsonl: say so rather than 'expecting value'.
                raise UserError(
                    f"{file.name} is one JSON array, not JSON lines", "rename it to .json", setting="dataset_name"
                ) from None
            raise _explain(error, file, number) from None
        if type(row) is not dict:
            raise _not_object(file, number, row)
        yield number, row


class _Window:
    """The part of a file that is being parsed; grows as needed, within MAX_RECORD_BYTES."""

    def __init__(self, file: DataFile, stream: ByteStream) -> None:
        self.file, self.line, self.text, self.at = file, 1, "", 0
        self._stream = stream
        self._decode = codecs.getincrementaldecoder("utf-8")()
        self._first, self._bytes = True, 0
        self.ended = False

    def more(self) -> bool:
        """Read on, forgetting what is parsed; False at the end of the file."""
        if self.ended:
            return False
        self.line += self.text.count("\n", 0, self.at)
        rest = self.text[self.at :]
        # As much again as is waiting already, so that a long row is not parsed over and over.
        data = self._stream.read(max(CHUNK_BYTES, len(rest)))
        if self._first:
            data = data.removeprefix(codecs.BOM_UTF8)
            self._first = False
        self.ended = not data
        try:
            text = self._decode.decode(data, final=self.ended)
        except UnicodeDecodeError as error:
            line = self.line + rest.count("\n") + error.object.count(b"\n", 0, error.start)
            raise UserError(
                f"{self.file.name}, line {line}: byte {self._bytes + error.start} is not UTF-8",
                "save the file as UTF-8",
                setting="dataset_name",
            ) from None
        self._bytes += len(data)
        self.text, self.at = rest + text, 0
        return not self.ended

    def skip(self, signs: str) -> str:
        """Pass over these characters; the next one, or '' at the end."""
        while True:
            text, at, end = self.text, self.at, len(self.text)
            while at < end and text[at] in signs:
                at += 1
            self.at = at
            if at < end:
                return text[at]
            if not self.more():
                return ""

    def here(self) -> int:
        return self.line + self.text.count("\n", 0, self.at)

    def value(self) -> dict[str, object]:
        """The object that begins here."""
        while True:
            try:
                value: dict[str, object]
                value, end = _decoder.raw_decode(self.text, self.at)
            except _DuplicateKey as error:
                raise _explain(error, self.file, self.here()) from None
            except (ValueError, RecursionError) as error:
                if isinstance(error, RecursionError):
                    raise self._wrong(error) from None
                if len(self.text) - self.at > MAX_RECORD_BYTES:
                    # An error far from the end is one; at the end, or in a string that has none, more is missing.
                    early = isinstance(error, json.JSONDecodeError) and error.pos < len(self.text) - CHUNK_BYTES
                    if early and "Unterminated" not in str(error):
                        raise self._wrong(error) from None
                    raise too_long(self.file, self.here(), "the row on line") from None
                if not self.more():
                    raise self._wrong(error) from None
                continue
            self.at = end
            return value

    def _wrong(self, error: Exception) -> UserError:
        if isinstance(error, json.JSONDecodeError):
            line = self.line + self.text.count("\n", 0, error.pos)
            what = error.msg[:1].lower() + error.msg[1:]
            return UserError(
                f"{self.file.name}, line {line}: not valid JSON: {what}",
                "repair the file; it may have been cut short",
                setting="dataset_name",
            )
        return _explain(error, self.file, self.here())


SPACE = " \t\r\n"


def read_json(file: DataFile, stream: ByteStream) -> Iterator[tuple[int, Row]]:
    """The rows of a .json file, numbered from 1: often all are on one line.

    It may be an array of objects, objects one after another (JSON lines), or an object in which one key holds the
    array. Streamed but for the last, which must be within MAX_RECORD_BYTES.

    Raises:
        UserError: it is none of these.
    """
    return enumerate(_rows(_Window(file, stream)), 1)


def _rows(window: _Window) -> Iterator[Row]:
    file, first = window.file, window.skip(SPACE)
    if first == "[":
        window.at += 1
        yield from _array(window)
        return
    if first == "{":
        row = window.value()
        if window.skip(SPACE) == "":
            yield from _one_object(row)
            return
        yield row
        while window.skip(SPACE) != "":
            line = window.here()
            if window.text[window.at] != "{":
                raise UserError(f"{file.name}, line {line}: not an object", SHAPE, setting="dataset_name")
            yield window.value()
        return
    if first:
        raise UserError(
            f"{file.name}, line {window.here()}: neither an array nor an object", SHAPE, setting="dataset_name"
        )


def _array(window: _Window) -> Iterator[Row]:
    file, sign = window.file, window.skip(SPACE)
    while sign != "]":
        line = window.here()
        if sign != "{":
            what = "the file is cut short" if sign == "" else "a row that is not an object"
            raise UserError(f"{file.name}, line {line}: {what}", SHAPE, setting="dataset_name")
        yield window.value()
        sign = window.skip(SPACE)
        if sign == ",":
            window.at += 1
            sign = window.skip(SPACE)
        elif sign != "]":
            what = "the file is cut short" if sign == "" else "a comma is missing between two rows"
            raise UserError(f"{file.name}, line {window.here()}: {what}", "repair the file", setting="dataset_name")
    window.at += 1
    if window.skip(SPACE):
        raise UserError(
            f"{file.name}, line {window.here()}: there is more after the array's end",
            "keep one array in a file, or write JSON lines",
            setting="dataset_name",
        )


def _one_object(row: Row) -> Iterator[Row]:
    """A file that is a single object: the list of rows in it, or itself the only row."""
    lists = {
        key: value
        for key, value in row.items()
        if isinstance(value, list) and value and all(type(v) is dict for v in value)
    }
    if len(lists) == 1 and not any(isinstance(value, str) and len(value) > 200 for value in row.values()):
        [(key, rows)] = lists.items()
        if key not in {"messages", "conversations", "conversation"}:
            yield from rows
            return
    yield row
