"""Requests to a live run: small files in its control directory, renamed into place, taken in order."""

from __future__ import annotations

import itertools
import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from tui_finetune.system.files import PRIVATE_DIRECTORY, write_atomically

Action = Literal["stop", "pause", "continue", "evaluate", "save", "sample"]

_count = itertools.count()


@dataclass(frozen=True)
class Request:
    """What somebody wants of a run. ``fields`` has what the action needs, as `prompt` for 'sample'."""

    action: Action
    fields: dict[str, Any] = field(default_factory=dict)


def send(control_dir: Path, action: Action, **fields: Any) -> None:
    """Leave a request. The trainer takes it at its next step."""
    control_dir.mkdir(mode=PRIVATE_DIRECTORY, parents=True, exist_ok=True)
    # The name sorts by time, then by this process's count, so requests are taken in the order they were made.
    name = f"{time.time_ns():020d}-{os.getpid():08d}-{next(_count):06d}.json"
    write_atomically(control_dir / name, json.dumps({"action": action, **fields}), durable=False)


def take(control_dir: Path) -> list[Request]:
    """Take all requests that are waiting, oldest first. Files that hold none are removed."""
    try:
        names = sorted(entry.name for entry in os.scandir(control_dir) if entry.name.endswith(".json"))
    except OSError:
        return []
    requests: list[Request] = []
    for name in names:
        path = control_dir / name
        try:
            content = json.loads(path.read_bytes())
            path.unlink()
        except (OSError, ValueError):
            path.unlink(missing_ok=True)
            continue
        if isinstance(content, dict) and content.get("action") in get_args(Action):
            requests.append(Request(content.pop("action"), content))
    return requests


def left(control_dir: Path) -> frozenset[str]:
    """The names of the requests that are there now."""
    try:
        return frozenset(entry.name for entry in os.scandir(control_dir) if entry.name.endswith(".json"))
    except OSError:
        return frozenset()


def drop(control_dir: Path, names: frozenset[str]) -> None:
    """Remove requests by name: nobody waits for them any more."""
    for name in names:
        (control_dir / name).unlink(missing_ok=True)


def waiting(control_dir: Path, action: Action) -> bool:
    """Whether a request of that kind has been left and not been taken yet."""
    try:
        paths = [Path(entry.path) for entry in os.scandir(control_dir) if entry.name.endswith(".json")]
    except OSError:
        return False
    for path in paths:
        try:
            if json.loads(path.read_bytes()).get("action") == action:
                return True
        except (OSError, ValueError, AttributeError):
            continue
    return False
