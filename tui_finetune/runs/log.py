"""The event log: the trainer appends, any number of watchers follow."""

from __future__ import annotations

import contextlib
import os
import re
import threading
import time
from pathlib import Path

from tui_finetune.errors import Notice
from tui_finetune.runs.events import Event, NoticeEvent, ProgressEvent, from_lines, to_line
from tui_finetune.runs.history import SEGMENT, extend_history, read_history
from tui_finetune.runs.skim import skimmed
from tui_finetune.system.files import PRIVATE_FILE, open_regular, write_atomically

PROGRESS_INTERVAL = 0.1
"""Seconds between two progress events at least; the last one of a phase always gets through."""


class EventLog:
    """Appends events to a file; may be used from several threads.

    Each event is one write to a descriptor opened for appending, so that a reader sees whole lines and a crash leaves
    at most one torn line, at the end. A write that fails (disk full, directory gone) never disturbs the training: it is
    counted in ``lost`` and the next one is tried.
    """

    def __init__(self, path: Path) -> None:
        self.lost = 0
        self._lock = threading.Lock()
        self._progress_at = 0.0
        self._progress_phase = ""
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        self._path = path
        self._descriptor = os.open(path, flags, PRIVATE_FILE)
        self._torn = _ends_torn(path)
        self._unsummed = os.fstat(self._descriptor).st_size
        self._summing: threading.Thread | None = None
        self._digest = -1
        with contextlib.suppress(OSError):
            read_digest(path)  # which makes it, where the log is of before there were any
            self._digest = os.open(digest_path(path), flags, PRIVATE_FILE)

    def write(self, event: Event) -> None:
        """Append an event."""
        line = to_line(event)
        with self._lock:
            self._append(line)
            if self._digest >= 0 and _TELLING.search(line):
                with contextlib.suppress(OSError):
                    os.write(self._digest, line)

    def notice(self, notice: Notice, *, answers: tuple[str, ...] = ()) -> None:
        """Tell something that a person should know."""
        self.write(NoticeEvent(notice, answers=answers))

    def progress(self, phase: str, done: int, total: int | None, unit: str) -> None:
        """Append a progress event, unless one of this phase was written a moment ago."""
        now = time.monotonic()
        with self._lock:
            if phase == self._progress_phase and done != total and now - self._progress_at < PROGRESS_INTERVAL:
                return
            self._progress_at, self._progress_phase = now, phase
            self._append(to_line(ProgressEvent(phase, done, total, unit)))

    def _append(self, line: bytes) -> None:
        data = b"\n" + line if self._torn else line
        try:
            self._torn = os.write(self._descriptor, data) < len(data)
        except OSError:
            self.lost += 1
        self._unsummed += len(data)
        if self._unsummed > 2 * SEGMENT and not (self._summing is not None and self._summing.is_alive()):
            # In a thread of its own: a step doesn't wait for it. Who comes later makes what is missing.
            self._unsummed -= SEGMENT
            self._summing = threading.Thread(target=extend_history, args=(self._path,), name="history", daemon=True)
            self._summing.start()

    def close(self) -> None:
        if self._summing is not None:
            self._summing.join()
        with self._lock:
            for descriptor in (self._descriptor, self._digest):
                if descriptor >= 0:
                    os.close(descriptor)
            self._descriptor = self._digest = -1


class SilentLog(EventLog):
    """Stands in for the log where another process writes it: takes events and forgets them."""

    def __init__(self) -> None:
        self.lost = 0

    def write(self, event: Event) -> None:
        """Do nothing."""

    def progress(self, phase: str, done: int, total: int | None, unit: str) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


_TELLING = re.compile(rb'"type":"status"|"eval_loss"|"type":"checkpoint"')


def telling_lines(data: bytes, newest: int = 0) -> list[bytes]:
    """Of the whole lines in a piece of a log those few that tell how far a run has come, which lists of runs are made from.

    Args:
        data: the piece; where its first line is cut, that is left out.
        newest: so many lines at its end are among them whatever they tell.
    """
    end = data.rfind(b"\n") + 1
    cut = end
    for _ in range(newest + 1):
        cut = data.rfind(b"\n", 0, cut)
        if cut < 0:
            break
    cut += 1
    found: list[bytes] = []
    past = 0
    for match in _TELLING.finditer(data, 0, cut):
        if match.start() >= past:
            past = data.index(b"\n", match.start())
            found.append(data[data.rfind(b"\n", 0, match.start()) + 1 : past])
    lines = [*found, *data[cut:end].split(b"\n")]
    return [line for line in lines if line.startswith(b"{")]


def digest_path(events_path: Path) -> Path:
    """The file beside an event log with only those lines of it, so that nobody has to read all of a long log for them."""
    return events_path.with_name("digest.jsonl")


def read_digest(events_path: Path) -> list[bytes]:
    """The lines of a log's digest. Where there is none, as of an older run, or that of another log, they are looked for in
    the log, and kept.

    Raises:
        OSError: neither can be read.
    """
    path = digest_path(events_path)
    with open(events_path, "rb", opener=open_regular) as log:
        first = log.readline(_LONGEST_FIRST_LINE)
        if path.exists():
            with open(path, "rb", opener=open_regular) as file:
                lines = [line for line in file.read().split(b"\n") if line]
            if not _TELLING.search(first) or (lines and lines[0] == first.rstrip(b"\n")):
                return lines
        log.seek(0)
        lines = []
        rest = b""
        while data := log.read(_PIECE):
            data = rest + data
            whole = data.rfind(b"\n") + 1
            lines += telling_lines(data[:whole])
            rest = data[whole:]
    with contextlib.suppress(OSError):
        write_atomically(path, b"".join(line + b"\n" for line in lines), durable=False)
    return lines


_LONGEST_FIRST_LINE = 64 << 10
_PIECE = 8 << 20
"""Bytes of a log that are looked through at a time."""


def _ends_torn(path: Path) -> bool:
    """Whether the last line was cut off, by a crash in the middle of a write."""
    with path.open("rb") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return False
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"


class Follower:
    """Reads what has been appended to an event log since the last look."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._offset = 0
        self._rest = b""

    def poll(self, limit: int = 64 * 1024 * 1024, *, skim: bool = False) -> list[Event]:
        """The events since the last call, oldest first.

        A file that is not there yet gives nothing; a line that is not whole yet waits; a line that never got whole is
        passed over. At most ``limit`` bytes are read at a time. With ``skim`` a long log is read many times as fast, from
        the history beside it and by `skimmed`, which leave out what newer events make pointless.
        """
        if skim and self._offset == 0:
            events, self._offset = read_history(self.path)
            if events:
                return events
        data = _read(self.path, self._offset, limit)
        self._offset += len(data)
        data = self._rest + data if self._rest else data
        end = data.rfind(b"\n") + 1
        self._rest = data[end:]
        if not skim:
            return from_lines([line for line in data[:end].split(b"\n") if line])
        start = self._offset - len(data)
        return skimmed(data[:end], lambda begin, end: _read(self.path, start + begin, end - begin))


def _read(path: Path, offset: int, limit: int) -> bytes:
    """At most so many bytes of a file from an offset on (-1: all); none where it can't be read."""
    try:
        if offset and os.stat(path, follow_symlinks=False).st_size <= offset:
            return b""  # nothing new, as most often
        with open(path, "rb", opener=open_regular) as file:
            file.seek(offset)
            return file.read(limit)
    except OSError:
        return b""


def read_events(path: Path) -> list[Event]:
    """All events in a log."""
    return Follower(path).poll(limit=-1)
