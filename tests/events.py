"""Events as they stand in a log, for tests of the promised format."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from tui_finetune.runs.events import Event, from_fields

Raw = dict[str, Any]
"""An event as the JSON object that its line holds."""


def raw_events(path: Path) -> list[Raw]:
    """All events in a log, as they stand there; a line that is not whole is left out."""
    events = []
    for line in path.read_bytes().split(b"\n"):
        try:
            events.append(json.loads(line))
        except ValueError:
            continue
    return events


def line(event: Raw) -> bytes:
    """An event's line."""
    return json.dumps(event, separators=(",", ":")).encode() + b"\n"


def event(kind: str, **fields: object) -> Event:
    """An event made of the fields of its line, which happens now."""
    made = from_fields({"time": time.time(), "type": kind, **fields})
    assert made is not None, (kind, fields)
    return made
