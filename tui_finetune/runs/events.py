"""The events of a run: what stands in a line of events.jsonl.

An event is a mapping with `time` (Unix seconds) and `type`; the other fields depend on the type and follow the names of
Trainer's logs. The types and their fields are listed in the README.
"""

from __future__ import annotations

import json
import math
import time
from typing import Any, Literal

Event = dict[str, Any]

EventType = Literal["status", "phase", "progress", "metrics", "checkpoint", "sample", "resources", "notice"]
Status = Literal["starting", "running", "paused", "stopping", "finished", "stopped", "failed"]
Phase = Literal[
    "loading_data", "preparing_data", "loading_model", "checking", "training", "evaluating", "saving", "finishing"
]
Level = Literal["info", "warning", "error"]

ENDED: frozenset[str] = frozenset({"finished", "stopped", "failed"})
"""The statuses after which nothing more comes, unless the run is resumed."""

PHASE_LABELS: dict[str, str] = {
    "loading_data": "Reading the data",
    "preparing_data": "Turning text into tokens",
    "loading_model": "Loading the model",
    "checking": "Checking",
    "training": "Training",
    "evaluating": "Evaluating",
    "saving": "Saving",
    "finishing": "Finishing",
}


def make_event(type: EventType, **fields: Any) -> Event:
    """An event that happens now."""
    return {"time": round(time.time(), 3), "type": type, **fields}


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value


def to_line(event: Event) -> bytes:
    """One line of JSON. Numbers that JSON has no name for (nan, inf) become null; lone surrogates are escaped."""
    return json.dumps(_finite(event), ensure_ascii=True, separators=(",", ":"), default=str).encode() + b"\n"


def from_line(line: bytes) -> Event | None:
    """The event in a line, or None where it is not whole."""
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return event if _is_event(event) else None


def _is_event(content: Any) -> bool:
    return isinstance(content, dict) and isinstance(content.get("type"), str)


def from_lines(lines: list[bytes]) -> list[Event]:
    """The events in many lines; those that are not whole are left out."""
    try:
        # All at once takes half the time, and nearly always works.
        return [event for event in json.loads(b"[" + b",".join(lines) + b"]") if _is_event(event)]
    except (ValueError, RecursionError):
        return [event for line in lines if (event := from_line(line)) is not None]
