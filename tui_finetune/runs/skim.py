"""Reading a long log quickly: metrics in bulk, and of what newer events make pointless only the newest.

Whoever attaches to a run waits for its whole log, which may have a hundred thousand losses and more progress than that.
Made into events one by one they take a second, found by regular expressions in the bytes of the log a tenth of it.
"""

from __future__ import annotations

import functools
import json
import math
import re
from collections.abc import Callable, Iterator

from tui_finetune.runs.event import BESIDE_VALUES
from tui_finetune.runs.events import CurvesEvent, Event, MetricsEvent, from_lines
from tui_finetune.runs.series import LOSS, Series
from tui_finetune.runs.values import LARGEST_NUMBER, as_whole

KEPT_WHOLE = 200
"""Newest lines that are all kept."""

CLOSE_SECONDS = 300
"""The time that passed is told to so many seconds: shorter gaps are not looked into."""

# As `to_line` writes them. A line of another shape is kept, whatever it is.
_HEAD = rb'metrics","step":\d{1,12},"epoch":[\d.]{1,20},"loss":\d'
_LOSS = re.compile(
    rb'"type":"metrics","step":(\d{1,12}),"epoch":[\d.]{1,20},"loss":(\d{1,12}(?:\.\d{1,20})?),[^\n]*\}\n'
)
_KEPT = re.compile(rb'"type":"(?!progress","phase":"\w+"|resources"|' + _HEAD + rb")")
_NEWEST = (b'"type":"metrics"', b'"type":"progress"', b'"type":"resources"')
_TIME = re.compile(rb'\{"time":(\d{1,12}(?:\.\d{1,6})?),')

_NO_CURVES = BESIDE_VALUES | {LOSS}

ReadAgain = Callable[[int, int], bytes]


def skimmed(data: bytes, read_again: ReadAgain | None = None, whole: int = KEPT_WHOLE) -> list[Event]:
    """The events in whole lines of a log, older metrics gathered and most older progress left out.

    Metrics of training steps come as `CurvesEvent`, maybe with no point at all, which only tells a time. Of what is left out
    between two other events the newest is kept. Metrics may change places with progress, which doesn't matter, but not
    with anything else.

    Args:
        data: the lines.
        read_again: gives the bytes of ``data`` between two places, once more; without it ``data`` is kept.
        whole: how many of the newest lines are all kept.
    """
    again = read_again or (lambda begin, end: data[begin:end])
    cut = len(data)
    for _ in range(whole + 1):
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
        events += _stretch(data, begin, line, again)
        begin = data.find(b"\n", match.start()) + 1
        events += _parsed(data[line:begin])
    return events + _stretch(data, begin, end, again) + _parsed(data[end:])


def _parsed(data: bytes) -> list[Event]:
    return from_lines([line for line in data.split(b"\n") if line])


def _stretch(data: bytes, begin: int, end: int, again: ReadAgain) -> list[Event]:
    """What lines come to that are metrics of steps, progress and readings of the device."""
    if begin >= end:
        return []
    last = _line_of_last(data, _NEWEST[0], begin, end)
    newest = sorted({place for kind in _NEWEST if (place := _line_of_last(data, kind, begin, end)) >= 0})
    events: list[Event] = []
    # The newest metrics are among the events; the time that passed is told before them.
    curves = _curves(data, begin, last, again) if last >= 0 else []
    times = [CurvesEvent(time=time) for time in _times(data, begin, end)]
    for place in newest:
        events += _parsed(data[place : data.find(b"\n", place) + 1])
    if times:
        events = [_timeless(event) for event in events[:-1]] + events[-1:]
    return [*times, *curves, *events]


def _timeless(event: Event) -> Event:
    object.__setattr__(event, "time", None)  # just made here, and seen by nobody yet
    return event


def _curves(data: bytes, begin: int, end: int, again: ReadAgain) -> list[Event]:
    """All metrics of steps between two places, as curves; lines of unusual shape as events of their own."""
    logged = data.count(b'"type":"metrics","step":', begin, end)
    found = _LOSS.findall(data, begin, end)
    if len(found) != logged:
        return [event for event in _parsed(data[begin:end]) if isinstance(event, MetricsEvent)]
    if not found:
        return []
    steps, losses = zip(*found, strict=True)
    later = functools.partial(_other_values, lambda: again(begin, end))
    return [CurvesEvent(list(map(int, steps)), list(map(float, losses)), later, time=None)]


_PIECE = 1 << 20
"""Bytes that are parsed at a time, so that a thread that does it leaves the others their turn."""


def _other_values(read: Callable[[], bytes]) -> dict[str, Series]:
    """What lines of metrics have beside their losses, as curves."""
    data = read()
    curves: dict[str, Series] = {}
    begin = 0
    while begin < len(data):
        end = data.find(b"\n", min(begin + _PIECE, len(data) - 1)) + 1 or len(data)
        lines = [line for line in data[begin:end].split(b"\n") if _NEWEST[0] in line]
        try:
            found = json.loads(b"[" + b",".join(lines) + b"]")
        except (ValueError, RecursionError):
            _take_events(curves, lines)
        else:
            _take_fields(curves, found)
        begin = end
    return curves


def _take_fields(curves: dict[str, Series], found: list[object]) -> None:
    """Add the numbers of parsed lines, which is much quicker than to make events of them."""
    for fields in found:
        if (
            not isinstance(fields, dict)
            or fields.get("type") != "metrics"
            or (step := as_whole(fields.get("step"))) is None
        ):
            continue
        for name, given in fields.items():
            if name in _NO_CURVES or type(given) is bool:
                continue
            value = math.nan if given is None else given
            if not isinstance(value, (int, float)) or abs(value) > LARGEST_NUMBER:
                continue
            series = curves.get(name)
            if series is None:
                series = curves[name] = Series()
            series.steps.append(step)
            series.values.append(value)


def _take_events(curves: dict[str, Series], lines: list[bytes]) -> None:
    """The same where a line is not whole."""
    for event in from_lines(lines):
        if isinstance(event, MetricsEvent):
            for name, value in event.values.items():
                if name != LOSS:
                    curves.setdefault(name, Series()).add(event.step, value)


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
