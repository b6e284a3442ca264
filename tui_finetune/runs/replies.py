"""What a run answers when it is talked to: a file of JSON lines for each question, in the run's directory.

A line is {"text": ...} for a piece of the reply, or {"notice": ...}; the last is {"end": ...} with the figures. A file
ID.cancel beside it asks for the end.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

from tui_finetune.runs.values import Fields
from tui_finetune.system.files import PRIVATE_DIRECTORY, PRIVATE_FILE, open_regular, write_atomically

MOST = 200
"""Replies that are kept."""

MAX_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True)
class ReplyPaths:
    """Where the reply to a request is.

    Attributes:
        folder: that of the run's replies.
        id: the request's.
    """

    folder: Path
    id: str

    @property
    def log(self) -> Path:
        return self.folder / f"{self.id}.jsonl"

    @property
    def cancel(self) -> Path:
        return self.folder / f"{self.id}.cancel"

    def ask_to_end(self) -> None:
        """Ask for the end of the reply."""
        with contextlib.suppress(OSError):
            self.folder.mkdir(mode=PRIVATE_DIRECTORY, exist_ok=True)
            write_atomically(self.cancel, "", durable=False)

    @property
    def is_to_end(self) -> bool:
        """Whether its end was asked for."""
        return os.path.lexists(self.cancel)


class ReplyWriter:
    """Writes a reply as it comes. A disk that is full costs the reply, never the run.

    Args:
        paths: where.
    """

    def __init__(self, paths: ReplyPaths) -> None:
        self.paths = paths
        self._descriptor: int | None = None
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        with contextlib.suppress(OSError):
            paths.folder.mkdir(mode=PRIVATE_DIRECTORY, exist_ok=True)
            _prune(paths.folder)
            self._descriptor = os.open(paths.log, flags, PRIVATE_FILE)

    def write(self, **fields: object) -> None:
        """Write a line."""
        if self._descriptor is not None:
            with contextlib.suppress(OSError):
                os.write(self._descriptor, json.dumps(fields, separators=(",", ":")).encode() + b"\n")

    def end(self, how: str, **figures: object) -> None:
        """Write the last line: 'end', 'length', 'cancelled' or 'failed', and the figures."""
        self.write(end=how, **figures)
        with contextlib.suppress(OSError):
            if self._descriptor is not None:
                os.close(self._descriptor)
            self.paths.cancel.unlink(missing_ok=True)
        self._descriptor = None


class ReplyReader:
    """Reads a reply as it is written."""

    def __init__(self, paths: ReplyPaths) -> None:
        self.paths = paths
        self._offset = 0
        self._rest = b""

    def poll(self) -> list[Fields]:
        """The lines that are new."""
        try:
            with open(self.paths.log, "rb", opener=open_regular) as file:
                file.seek(self._offset)
                data = file.read(MAX_BYTES)
        except OSError:
            return []
        self._offset += len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        found: list[Fields] = []
        for line in lines:
            with contextlib.suppress(ValueError, RecursionError):
                if isinstance(fields := json.loads(line), dict):
                    found.append(fields)
        return found


def _prune(folder: Path) -> None:
    """Remove the oldest replies; their names begin with the time."""
    for path in sorted(folder.glob("*.jsonl"))[: -MOST + 1 or None]:
        path.unlink(missing_ok=True)
