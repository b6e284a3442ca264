"""Findings in the training loss and the gradients."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from tui_finetune.errors import Level
from tui_finetune.runs.findings import limits
from tui_finetune.runs.findings.evidence import WINDOW, Evidence, shown, spikes_in
from tui_finetune.runs.verdict import Finding, Way


def training_findings(seen: Evidence) -> Iterator[Finding]:
    """All findings of the training loss, the rate and the gradients."""
    wrong = not_finite(seen) or diverged(seen) or shot_up(seen)
    if wrong is not None:
        yield wrong
    for finding in (gradient_zero(seen), None if wrong else flat(seen), None if wrong else risen(seen)):
        if finding is not None:
            wrong = finding
            yield finding
    if wrong is None and (finding := rate_far_off(seen)) is not None:
        yield finding
    for finding in (spike(seen), gradient_high(seen)):
        if finding is not None:
            yield finding


def lower_rate(seen: Evidence) -> Way | None:
    """The same again with a lower rate: the one that suits where the rate is too high, else a tenth."""
    if seen.rate is None:
        return None
    too_high = seen.usual is not None and seen.rate_times >= limits.CAUSE_TIMES
    rate = seen.usual.best if too_high and seen.usual is not None else float(f"{seen.rate / 10:.2g}")
    return Way("again", {"learning_rate": rate})


def _with_lower_rate(seen: Evidence) -> tuple[str, Way | None]:
    """The cause in words, with a semicolon before, and what to do."""
    cause = f"; {seen.rate_cause}" if seen.rate_times >= limits.CAUSE_TIMES else ""
    if not cause and seen.rate is not None:
        cause = f"; a learning rate of {seen.rate:g} is too high for this model and data"
    return cause, lower_rate(seen)


def _remedy(way: Way | None) -> str:
    return f"start it {way.words}" if way is not None else "start it again with a lower learning_rate"


def not_finite(seen: Evidence) -> Finding | None:
    result = seen.state.result
    if result is None or not result.not_finite:
        return None
    cause, way = _with_lower_rate(seen)
    message = f"The loss was no longer a number after step {seen.state.step:,}{cause}."
    return Finding("error", message, _remedy(way), "learning_rate", kind="not-finite", way=way)


def diverged(seen: Evidence) -> Finding | None:
    """Above 3 times its lowest, or 1.3 times its start, when the warmup is over."""
    start, now, enough = seen.start, seen.current, 2 if seen.is_over else 3
    if start is None or now is None or seen.points_after_warmup < enough or len(seen.losses) < enough:
        return None
    smoothed = seen.smoothed
    lowest = min(smoothed)
    over_start = now > limits.DIVERGED_OVER_START * start
    over_lowest = now > limits.DIVERGED_OVER_LOWEST * lowest and now - lowest > limits.DIVERGED_RISE
    if not (over_start or over_lowest):
        return None
    cause, way = _with_lower_rate(seen)
    from_loss = start if over_start else lowest
    message = f"The loss rose from {shown(from_loss)} to {shown(now)}{cause}."
    remedy = _remedy(way) if seen.is_over else f"stop it; {_remedy(way)}"
    since = None if over_start else _step_of_lowest(seen)
    return Finding("error", message, remedy, "learning_rate", kind="diverged", since=since, way=way)


def shot_up(seen: Evidence) -> Finding | None:
    """Far above its start on the way: what comes down after that is a model that was torn apart."""
    start, now, smoothed = seen.start, seen.current, seen.smoothed_after_warmup
    if start is None or now is None or len(smoothed) < 3:
        return None
    peak = max(smoothed)
    too_fast = seen.rate_times >= limits.CAUSE_TIMES
    if peak <= (limits.DIVERGED_OVER_START if too_fast else limits.DIVERGED_OVER_LOWEST) * start:
        return None
    cause, way = _with_lower_rate(seen)
    if not too_fast:
        cause = ""
    message = f"The loss shot up from {shown(start)} to {shown(peak)}, and came down to {shown(now)}{cause}."
    level: Level = "error" if too_fast else "warning"
    return Finding(level, message, _remedy(way), "learning_rate", kind="shot-up", way=way)


def _step_of_lowest(seen: Evidence) -> int:
    smoothed = seen.smoothed
    share = smoothed.index(min(smoothed)) / max(len(smoothed), 1)
    return seen.state.losses.steps[int(share * len(seen.losses))]


def flat(seen: Evidence) -> Finding | None:
    """No change since the start that could be told from chance."""
    if len(seen.losses) < limits.FLAT_POINTS or not _is_flat(seen):
        return None
    cause, way = "", None
    if seen.rate_times <= -limits.CAUSE_TIMES and seen.usual is not None:
        cause, way = f"; {seen.rate_cause}", Way("again", {"learning_rate": seen.usual.best})
    elif seen.state.curves.newest("learning_rate") == 0 and not _is_at_end(seen):
        cause = "; the learning rate is 0"
    start, now = seen.before, seen.state.eval_losses.newest
    if start is None or now is None:
        start, now = sum(seen.losses[:10]) / 10, sum(seen.losses[-10:]) / 10
    message = f"It has learned nothing: the loss was {shown(start)} and is {shown(now)}{cause}."
    remedy = f"start it {way.words}" if way else "a higher learning_rate; and look at what is trained on, on Dataset"
    return Finding("warning", message, remedy, "learning_rate", kind="flat", way=way)


def _is_at_end(seen: Evidence) -> bool:
    return seen.is_over or (seen.state.total_steps is not None and seen.state.step >= 0.9 * seen.state.total_steps)


def _is_flat(seen: Evidence) -> bool:
    before, newest = seen.before, seen.state.eval_losses.newest
    if before is not None and newest is not None:  # measured on the same text: no noise of batches
        return abs(newest - before) < limits.FLAT_SHARE * before
    values = seen.losses if len(seen.losses) <= MANY else seen.smoothed
    change, error = drift(values)
    mean = abs(sum(values) / len(values))
    too_low = seen.rate_times <= -10
    small = abs(change) < limits.FLAT_SHARE * mean
    return (small and (too_low or error < limits.FLAT_SHARE * mean)) or (too_low and abs(change) < 2 * error)


def drift(values: Sequence[float]) -> tuple[float, float]:
    """What a loss changed by from first to last, by a line through its points, and the standard error of that."""
    count = len(values)
    middle, mean = (count - 1) / 2, math.fsum(values) / count
    spread = count * (count * count - 1) / 12
    slope = math.fsum((place - middle) * value for place, value in enumerate(values)) / spread
    rest = math.fsum((value - mean - slope * (place - middle)) ** 2 for place, value in enumerate(values))
    error = math.sqrt(rest / max(count - 2, 1) / spread)
    return slope * (count - 1), error * (count - 1)


def risen(seen: Evidence) -> Finding | None:
    """A little above its start, by a tenth."""
    if len(seen.losses) < 2 * WINDOW:
        return None
    first, now = (sum(part) / WINDOW for part in (seen.losses[:WINDOW], seen.losses[-WINDOW:]))
    if now <= 1.1 * first:
        return None
    way = lower_rate(seen)
    message = f"The training loss is higher than at the start: {shown(first)} then, {shown(now)} now."
    return Finding("warning", message, _remedy(way), "learning_rate", kind="risen", way=way)


def rate_far_off(seen: Evidence) -> Finding | None:
    """A hundred times outside what suits, or zero in the middle of a run."""
    if seen.state.curves.newest("learning_rate") == 0 and len(seen.losses) > 1 and not _is_at_end(seen):
        return Finding("warning", "The learning rate is 0: nothing is learned.", "look at warmup_steps and the schedule",
                       "lr_scheduler_type", kind="rate")  # fmt: skip
    if abs(seen.rate_times) < limits.RATE_TIMES or seen.usual is None:
        return None
    words = seen.rate_cause
    way = Way("again", {"learning_rate": seen.usual.best})
    remedy = f"{seen.usual.shown} is usual: {'' if seen.is_over else 'stop it, and '}start it {way.words}"
    return Finding("warning", f"{words[0].upper()}{words[1:]}.", remedy, "learning_rate", kind="rate", way=way)


def spike(seen: Evidence) -> Finding | None:
    """A batch that stood out lately; several are unrest."""
    state = seen.state
    steps, values = state.losses.steps, state.losses.values
    since = steps[-limits.SPIKE_WINDOW] if len(steps) >= limits.SPIKE_WINDOW else 0
    told = [event for event in state.spikes if event.step >= since]
    found = [] if told else spikes_in(values, limits.SPIKE_WINDOW)
    if seen.compares and seen.start is not None:
        # One pair that isn't told apart stands out where all others are.
        told = [event for event in told if event.loss > seen.start]
        found = [place for place in found if values[place] > seen.start]
    count = len(told) or len(found)
    if not count:
        return None
    if told:
        last = told[-1]
        at, loss, usual = last.step, last.loss, last.usual
        rows = _rows(last.rows)
    else:
        place = found[-1]
        before = values[max(place - limits.SPIKE_WINDOW, 0) : place]
        at, loss, usual, rows = steps[place], values[place], sum(before) / len(before), ""
    evidence = f"at step {at:,} it was {shown(loss)}, where {shown(usual)} is usual"
    if count >= limits.RESTLESS_SPIKES:
        way = lower_rate(seen)
        message = f"The loss is restless: {count} spikes lately; {evidence}{rows}."
        return Finding("warning", message, f"{_remedy(way)}, or more warmup_steps", "learning_rate", kind="unrest",
                       since=at, way=way)  # fmt: skip
    remedy = (
        "look at those rows on Dataset" if rows else "one batch alone does no harm; look at the data if there are more"
    )
    return Finding("warning", f"The loss spiked: {evidence}{rows}.", remedy, "dataset_name", kind="spike", since=at)


SHOWN_ROWS = 8

MANY = 2000
"""Points beyond which means of them do."""


def _rows(rows: tuple[int, ...]) -> str:
    if not rows:
        return ""
    named = ", ".join(f"{row:,}" for row in rows[:SHOWN_ROWS])
    more = f" and {len(rows) - SHOWN_ROWS:,} more" if len(rows) > SHOWN_ROWS else ""
    return f"; rows {named}{more} of the data set" if len(rows) > 1 else f"; row {named} of the data set"


def gradient_high(seen: Evidence) -> Finding | None:
    if seen.compares:
        return None
    norms = list(seen.state.curves.known("grad_norm").values[-limits.SPIKE_WINDOW :])
    high = sum(norm > limits.HIGH_GRADIENT for norm in norms)
    if len(norms) < limits.GRADIENT_POINTS or high < limits.HIGH_GRADIENT_SHARE * len(norms):
        return None
    way = lower_rate(seen)
    message = f"Gradients are very large: a norm above 50 in {high} of the last {len(norms)} points."
    return Finding(
        "warning", message, f"{_remedy(way)}, or more warmup_steps", "learning_rate", kind="gradient-high", way=way
    )


def gradient_zero(seen: Evidence) -> Finding | None:
    """Zero twice in a row."""
    norms = list(seen.state.curves.known("grad_norm").values[-2:])
    if len(norms) < 2 or any(norms):
        return None
    message = "Nothing is trained: the gradient is zero, so every token of these rows is masked."
    remedy = "look at what is trained on, on Dataset; and at completion_only_loss and assistant_only_loss"
    return Finding("error", message, remedy, "completion_only_loss", kind="gradient-zero")
