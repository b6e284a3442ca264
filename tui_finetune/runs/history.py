"""A compact history beside a long event log, so that whoever comes to a long run need not read all of its log.

It is made of segments, each of which stands for a stretch of whole lines of the log: the few events that tell something as
they stand there, and the points of the curves as numbers, a column each. The log alone counts: each segment says which
bytes it is made of and has samples of them in a hash. What doesn't fit the log is cut off and made again, by whoever reads
or trains, as far as the run's directory may be written to.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import json
import os
import zlib
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from tui_finetune.runs.events import CurvesEvent, Event, from_lines, to_line
from tui_finetune.runs.series import LOSS, Series
from tui_finetune.runs.skim import skimmed
from tui_finetune.runs.values import LARGEST_NUMBER, LARGEST_WHOLE, as_number
from tui_finetune.system.files import open_regular

SEGMENT = 4 << 20
"""Bytes of the log that a segment stands for, or a little less."""

LEFT = 1 << 20
"""Bytes at the end of a log that no segment stands for: the newest lines are read as they are."""

FORMAT = 1
MAX_HEADER = 4096
MAX_TEXT = 16 << 20
_SAMPLED, _SAMPLE = 64 << 10, 256
"""Of so many bytes of the log so many go into the hash."""

_WIDTH = 8
_CURVES = b'{"curves":'


def history_path(events_path: Path) -> Path:
    """Where the history of an event log is."""
    return events_path.with_name("history.bin")


@dataclass(frozen=True)
class Segment:
    """Where a segment is.

    Attributes:
        begin, end: the bytes of the log that it stands for.
        text: where its events begin in the history.
        text_bytes, blob_bytes: the lengths of its events and of its numbers, which follow them.
        check: of the events.
        samples: the hash of samples of those bytes of the log.
    """

    begin: int
    end: int
    text: int
    text_bytes: int
    blob_bytes: int
    check: int
    samples: str

    @property
    def blob(self) -> int:
        """Where its numbers begin in the history."""
        return self.text + self.text_bytes

    @property
    def over(self) -> int:
        """Where it ends in the history."""
        return self.blob + self.blob_bytes


def read_history(events_path: Path) -> tuple[list[Event], int]:
    """The events of the beginning of a log, gathered as by `skimmed`, and the offset in the log up to which they go.

    What is missing of the history is made first. Where there is none and none can be made, or the log is short: ([], 0).
    """
    try:
        if os.stat(events_path, follow_symlinks=False).st_size < SEGMENT + LEFT:
            return [], 0
    except OSError:
        return [], 0
    extend_history(events_path)
    events: list[Event] = []
    offset = 0
    with contextlib.suppress(OSError), open(events_path, "rb", opener=open_regular) as log:
        history = open(history_path(events_path), "rb", opener=open_regular)  # noqa: SIM115 # kept for what is read later
        for segment in _sound(history.fileno(), log.fileno()):
            found = _events(history, segment)
            if found is None:
                break
            events += found
            offset = segment.end
    return events, offset


def extend_history(events_path: Path) -> None:
    """Bring the history up to a log that has grown; does nothing where somebody else does, or it can't be written."""
    with contextlib.suppress(OSError), open(events_path, "rb", opener=open_regular) as log:
        if os.fstat(log.fileno()).st_size < SEGMENT + LEFT:
            return
        with open(history_path(events_path), "rb+", opener=_opened_or_made) as history:
            fcntl.flock(history.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            _extend(history.fileno(), log.fileno())


def _opened_or_made(path: str, flags: int) -> int:
    return open_regular(path, flags | os.O_CREAT)


def _extend(history: int, log: int) -> None:
    end = over = 0
    for segment in _sound(history, log):
        end, over = segment.end, segment.over
    if os.fstat(history).st_size > over:
        os.ftruncate(history, over)  # of another log, or cut off in the middle of a write
    while os.fstat(log).st_size >= end + SEGMENT + LEFT:
        data = os.pread(log, SEGMENT, end)
        whole = data.rfind(b"\n") + 1
        if not whole:
            return  # a line of megabytes, which no trainer writes
        made = _made(data[:whole], end, log)
        if os.pwrite(history, made, over) < len(made):
            os.ftruncate(history, over)
            return
        end, over = end + whole, over + len(made)


def _samples(log: int, begin: int, end: int) -> str:
    """A hash of samples of the log between two places, the first and the last bytes among them."""
    digest = hashlib.sha256()
    for place in (*range(begin, end, _SAMPLED), max(end - _SAMPLE, begin)):
        digest.update(os.pread(log, min(_SAMPLE, end - place), place))
    return digest.hexdigest()[:32]


def _sound(history: int, log: int) -> Iterator[Segment]:
    """The segments, as far as they stand for the log as it is."""
    place = reached = 0
    length, size = os.fstat(log).st_size, os.fstat(history).st_size
    while place < size:
        segment = _segment(history, place)
        if segment is None or segment.begin != reached or segment.over > size or segment.end > length:
            return
        if segment.samples != _samples(log, segment.begin, segment.end):
            return
        yield segment
        place, reached = segment.over, segment.end


def _segment(history: int, place: int) -> Segment | None:
    """The segment that begins at a place in the history; None where none does."""
    head = os.pread(history, MAX_HEADER, place)
    line = head[: head.find(b"\n") + 1]
    try:
        given = json.loads(line)
        numbers = [given[key] for key in ("format", "begin", "end", "text", "blob", "check")]
        samples = given["samples"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    if not all(type(number) is int and number >= 0 for number in numbers) or not isinstance(samples, str):
        return None
    made, begin, end, text, blob, check = numbers
    if made != FORMAT or not 0 < end - begin <= SEGMENT or text > MAX_TEXT:
        return None
    return Segment(begin, end, place + len(line), text, blob, check, samples)


# What a segment is made of


def _made(data: bytes, begin: int, log: int) -> bytes:
    """A segment for these lines of the log, which begin there."""
    text, blob = bytearray(), bytearray()
    for event in skimmed(data, whole=1):
        if not isinstance(event, CurvesEvent):
            text += to_line(event)
        elif not event.steps:
            text += json.dumps({"curves": [], "time": event.time}, separators=(",", ":")).encode() + b"\n"
        else:
            columns = _columns(event, blob)
            text += json.dumps({"curves": columns, "time": event.time}, separators=(",", ":")).encode() + b"\n"
    end = begin + len(data)
    head = {
        "format": FORMAT, "begin": begin, "end": end, "text": len(text), "blob": len(blob), "check": zlib.crc32(text),
        "samples": _samples(log, begin, end),
    }  # fmt: skip
    return json.dumps(head).encode() + b"\n" + bytes(text) + bytes(blob)


def _columns(event: CurvesEvent, blob: bytearray) -> list[tuple[str, int, int, int]]:
    """Put the numbers of some points into the blob: the name of each curve, where it begins there, its length, its check."""
    curves = {LOSS: Series(), **event.later()}
    curves[LOSS].extend(event.steps, event.losses)
    columns = []
    for name, series in curves.items():
        numbers = series.steps.tobytes() + series.values.tobytes()
        columns.append((name, len(blob), len(series), zlib.crc32(numbers)))
        blob += numbers
    return columns


def _events(history: BinaryIO, segment: Segment) -> list[Event] | None:
    """The events of a segment; None where it is not whole."""
    text = os.pread(history.fileno(), segment.text_bytes, segment.text)
    if zlib.crc32(text) != segment.check:
        return None
    events: list[Event] = []
    waiting: list[bytes] = []
    for line in filter(None, text.split(b"\n")):
        if not line.startswith(_CURVES):
            waiting.append(line)
            continue
        events += from_lines(waiting)
        waiting.clear()
        found = _curves(history, segment, line)
        if found is None:
            return None
        events.append(found)
    return events + from_lines(waiting)


def _curves(history: BinaryIO, segment: Segment, line: bytes) -> CurvesEvent | None:
    """The points that a line of a segment leads to; None where they are not what was written."""
    try:
        given = json.loads(line)
    except (ValueError, RecursionError):
        return None
    columns, moment = given.get("curves"), as_number(given.get("time"))
    if not isinstance(columns, list) or not columns:
        return CurvesEvent(time=moment)
    losses = _series(history, segment, columns[0])
    if losses is None:
        return None
    return CurvesEvent(
        losses.steps, losses.values, functools.partial(_others, history, segment, columns[1:]), time=moment
    )


def _others(history: BinaryIO, segment: Segment, columns: Sequence[object]) -> Mapping[str, Series]:
    """The other curves of the same points; the file stays open for them, so that nothing that happens to it matters."""
    found: dict[str, Series] = {}
    for column in columns:
        series = _series(history, segment, column)
        if series is not None and isinstance(column, list):
            found[str(column[0])] = series
    return found


def _series(history: BinaryIO, segment: Segment, column: object) -> Series | None:
    """The numbers of one curve; None where they are not what was written, or none that a run could have logged."""
    if not isinstance(column, list) or len(column) != 4 or not all(type(number) is int for number in column[1:]):
        return None
    _, at, count, check = column
    if at < 0 or not 0 < count <= SEGMENT or at + 2 * _WIDTH * count > segment.blob_bytes:
        return None
    numbers = os.pread(history.fileno(), 2 * _WIDTH * count, segment.blob + at)
    if zlib.crc32(numbers) != check:
        return None
    series = Series()
    series.steps, series.values = array("q", numbers[: _WIDTH * count]), array("d", numbers[_WIDTH * count :])
    usual = min(series.steps) >= 0 and max(series.steps) <= LARGEST_WHOLE
    # A value that is not a number was logged as such.
    return series if usual and all(value != value or abs(value) <= LARGEST_NUMBER for value in series.values) else None
