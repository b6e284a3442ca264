"""Requests to a live run: small files in its control directory, renamed into place, taken in order."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast, get_args

from tui_finetune.runs.values import Fields
from tui_finetune.system.files import PRIVATE_DIRECTORY, open_regular, write_atomically

Action = Literal["stop", "pause", "continue", "evaluate", "save", "sample", "chat"]
ACTIONS: frozenset[str] = frozenset(get_args(Action))

MAX_BYTES = 64 * 1024
"""A larger file is no request."""

MAX_TAKEN = 1000
"""Requests that are taken at a time; more wait for the next step."""

_SUFFIX = ".json"
_count = itertools.count()


@dataclass(frozen=True)
class Request:
    """What somebody wants of a run.

    Attributes:
        id: by which the event that answers it names it.
        action: what is wanted.
        fields: what the action needs, as `prompt` for 'sample'.
    """

    id: str
    action: Action
    fields: Fields = field(default_factory=dict)

    def text(self, key: str) -> str:
        """A field that is a text, without characters that no encoding takes; '' where it isn't there."""
        value = self.fields.get(key)
        return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def send(control_dir: Path, action: Action, **fields: object) -> str:
    """Leave a request, which the trainer takes at its next step; returns its id."""
    control_dir.mkdir(mode=PRIVATE_DIRECTORY, parents=True, exist_ok=True)
    # The id sorts by time, then by this process's count, so requests are taken in the order they were made.
    name = f"{time.time_ns():020d}-{os.getpid():08d}-{next(_count):06d}"
    write_atomically(control_dir / f"{name}{_SUFFIX}", json.dumps({"action": action, **fields}), durable=False)
    return name


def take(control_dir: Path) -> list[Request]:
    """Take the requests that are waiting, oldest first. What is no request is removed, if it is a file."""
    requests = []
    for path in _waiting_files(control_dir)[:MAX_TAKEN]:
        request = _read(path)
        with contextlib.suppress(OSError):
            path.unlink()
        if request is not None:
            requests.append(request)
    return requests


def left(control_dir: Path) -> frozenset[str]:
    """The names of the files that are there now."""
    return frozenset(path.name for path in _waiting_files(control_dir))


def drop(control_dir: Path, names: frozenset[str]) -> None:
    """Remove requests by the names of their files: nobody waits for them any more."""
    for name in names:
        with contextlib.suppress(OSError):
            (control_dir / name).unlink(missing_ok=True)


def waiting(control_dir: Path, action: Action) -> bool:
    """Whether a request of that kind has been left and not been taken yet."""
    requests: Iterator[Request | None] = map(_read, _waiting_files(control_dir)[:MAX_TAKEN])
    return any(request is not None and request.action == action for request in requests)


def _waiting_files(control_dir: Path) -> list[Path]:
    try:
        return sorted(Path(entry.path) for entry in os.scandir(control_dir) if entry.name.endswith(_SUFFIX))
    except OSError:
        return []


def _read(path: Path) -> Request | None:
    """The request in a file; None where it holds none, is a link, a pipe, a device or too large."""
    try:
        # A pipe must not hold up the training, nor a link lead out of the run.
        with open(path, "rb", opener=open_regular) as file:
            data = file.read(MAX_BYTES + 1)
        content = json.loads(data) if len(data) <= MAX_BYTES else None
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(content, dict) or not isinstance(action := content.pop("action", None), str):
        return None
    return Request(path.name.removesuffix(_SUFFIX), cast(Action, action), content) if action in ACTIONS else None
