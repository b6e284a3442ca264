"""Reading a long log quickly: losses in bulk, and of what newer events make pointless only the newest.

Whoever attaches to a run waits for its whole log, which may have a hundred thousand losses and more progress than that.
Made into events one by one they take a second, found by regular expressions in the bytes of the log a tenth of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from tui_finetune.runs.events import Event, from_lines

KEPT_WHOLE = 200
"""Newest lines that are all kept."""

CLOSE_SECONDS = 300
"""The time that passed is told to so many seconds: shorter gaps are not looked into."""

# As `make_event` writes them. A line of another shape is kept, whatever it is.
_LOSS = re.compile(
    rb'"type":"metrics","step":(\d{1,12}),"epoch":[\d.]{1,20},"loss":(\d{1,12}(?:\.\d{1,20})?),[^\n]*\}\n'
)
_KEPT = re.compile(
    rb'"type":"(?!progress","phase":"\w+"|resources"|metrics","step":\d{1,12},"epoch":[\d.]{1,20},"loss":\d)'
)
_NEWEST = (b'"type":"metrics"', b'"type":"progress"', b'"type":"resources"')
_TIME = re.compile(rb'\{"time":(\d{1,12}(?:\.\d{1,6})?),')


def skimmed(data: bytes) -> list[Event]:
    """The events in whole lines of a log, older losses gathered and most older progress left out.

    Losses come as events of the type `curve` with lists `steps` and `losses`, both maybe empty. Of what is left out between
    two other events the newest is kept. Losses may change places with progress, which doesn't matter, but not with
    anything else.
    """
    cut = len(data)
    for _ in range(KEPT_WHOLE + 1):
        cut = data.rfind(b"\n", 0, cut)
        if cut < 0:
            return _parsed(data)
    end = cut + 1
    events: list[Event] = []
    begin = 0
    for match in _KEPT.finditer(data, 0, end):
        line = data.rfind(b"\n", 0, match.start()) + 1
        if line < begin:
            continue  # a second one in the same line, which nothing here writes
        events += _stretch(data, begin, line)
        begin = data.find(b"\n", match.start()) + 1
        events += _parsed(data[line:begin])
    return events + _stretch(data, begin, end) + _parsed(data[end:])


def _parsed(data: bytes) -> list[Event]:
    return from_lines([line for line in data.split(b"\n") if line])


def _stretch(data: bytes, begin: int, end: int) -> list[Event]:
    """What lines come to that are losses, progress and readings of the device."""
    if begin >= end:
        return []
    newest = sorted({place for kind in _NEWEST if (place := _line_of_last(data, kind, begin, end)) >= 0})
    events = [event for place in newest for event in _parsed(data[place : data.find(b"\n", place) + 1])]
    known = _LOSS.findall(data, begin, end)
    # The newest is among the events.
    steps, losses = [int(step) for step, _ in known[:-1]], [float(loss) for _, loss in known[:-1]]
    times: list[Event] = [
        {"type": "curve", "time": time, "steps": [], "losses": []} for time in _times(data, begin, end)
    ]
    if events and times:
        for event in events[:-1]:
            del event["time"]  # the time that passed is told by those that stand above
    return [*times, {"type": "curve", "steps": steps, "losses": losses}, *events]


def _line_of_last(data: bytes, mark: bytes, begin: int, end: int) -> int:
    """Where the last line with a mark begins, or -1."""
    place = data.rfind(mark, begin, end)
    return -1 if place < 0 else max(data.rfind(b"\n", begin, place) + 1, begin)


def _times(data: bytes, begin: int, end: int) -> Iterator[float]:
    """Times of lines, ascending by place, between which no gap is hidden that is longer than CLOSE_SECONDS.

    Halves the lines until two are close in time or next to each other; where the clock ran back, likewise.
    """
    last = data.rfind(b"\n", begin, end - 1) + 1 or begin
    first_time, last_time = _time_at(data, begin), _time_at(data, max(last, begin))
    if first_time is not None:
        yield first_time
    waiting = [(begin, max(last, begin), first_time, last_time)]
    while waiting:
        low, high, low_time, high_time = waiting.pop()
        if low >= high:
            continue
        close = low_time is not None and high_time is not None and 0 <= high_time - low_time <= CLOSE_SECONDS
        middle = data.rfind(b"\n", low, (low + high) // 2) + 1
        if middle <= low:
            middle = data.find(b"\n", low) + 1
        if close or middle >= high:
            if high_time is not None:
                yield high_time
            continue
        time = _time_at(data, middle)
        waiting.append((middle, high, time, high_time))
        waiting.append((low, middle, low_time, time))


def _time_at(data: bytes, place: int) -> float | None:
    match = _TIME.match(data, place)
    return float(match[1]) if match else None
