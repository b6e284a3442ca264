"""What a run without the app shows: a progress display on a terminal, plain lines elsewhere, or events as JSON."""

from __future__ import annotations

import sys
import time
from collections import deque
from typing import Protocol

from tui_finetune.cli.output import write_line, write_text
from tui_finetune.formatting import amount, duration, size
from tui_finetune.runs.events import (
    CheckEvent,
    CheckpointEvent,
    Event,
    MetricsEvent,
    NoticeEvent,
    PhaseEvent,
    SampleEvent,
    SpikeEvent,
    StatusEvent,
    to_line,
)
from tui_finetune.runs.state import RunState
from tui_finetune.runs.story import happened as story_of
from tui_finetune.runs.story import resume_words
from tui_finetune.runs.verdict import Verdict
from tui_finetune.runs.watch import Watch
from tui_finetune.system.terminal import printable, printable_json

PLAIN_PROGRESS_SECONDS = 10.0


class Display(Protocol):
    """Shows events as they come."""

    def show(self, events: list[Event], state: RunState) -> None:
        """Called some ten times a second, with the new events, if any."""

    def say(self, text: str) -> None:
        """A line from the program itself."""

    def close(self) -> None:
        """The run is over: nothing more comes."""


class Eta:
    """Time left, from the pace of the last steps, by the monotonic clock."""

    def __init__(self) -> None:
        self._marks: deque[tuple[float, int]] = deque(maxlen=40)

    def left(self, state: RunState) -> float | None:
        """Seconds left in the training, or None while it can't be told."""
        if state.status != "running" or state.phase != "training":
            return None
        now = time.monotonic()
        if not self._marks or self._marks[-1][1] != state.step:
            self._marks.append((now, state.step))
        began, first = self._marks[0]
        if state.total_steps is None or state.step <= first or now <= began:
            return None
        return (state.total_steps - state.step) * (now - began) / (state.step - first)


def event_lines(event: Event, state: RunState, left: float | None) -> list[str]:
    """An event as lines of text; most progress has none."""
    if isinstance(event, PhaseEvent):
        return [f"{event.label} …"] if event.label and event.phase not in {"evaluating", "saving"} else []
    if isinstance(event, MetricsEvent):
        return _metrics_lines(event, state, left)
    if isinstance(event, CheckpointEvent):
        best = ", the best so far" if event.best else ""
        return [f"saved {event.path} ({size(event.bytes or 0)}{best})"]
    if isinstance(event, SampleEvent):
        return [f"sample at step {event.step}: {printable(event.text, lines=False)}"]
    if isinstance(event, NoticeEvent):
        word = event.notice.level if event.notice.level in {"error", "warning"} else "note"
        lines = [f"{word}: {event.notice.message}"]
        return [*lines, f"hint: {event.notice.remedy}"] if event.notice.remedy else lines
    if isinstance(event, CheckEvent):
        return [happened.words] if (happened := story_of(event)) else []
    if isinstance(event, SpikeEvent):
        return [f"warning: {happened.words}"] if (happened := story_of(event)) else []
    if isinstance(event, StatusEvent):
        if event.status in {"paused", "stopping"}:
            return [event.status]
        return [words] if (words := resume_words(event)) else []
    return []


def _metrics_lines(event: MetricsEvent, state: RunState, left: float | None) -> list[str]:
    """The line of a loss; other numbers have none."""
    total, values = state.total_steps, event.values
    parts = [f"step {event.step:>{len(str(total))}}/{total}" if total else f"step {event.step}"]
    if event.epoch is not None:
        parts.append(f"epoch {event.epoch:.2f}")
    if (loss := values.get("eval_loss")) is not None:
        best = "  best" if event.step == state.best_step else ""
        return ["  ".join([*parts, f"eval loss {loss:.4f}{best}"])]
    if (loss := values.get("loss")) is None:
        return []
    parts.append(f"loss {loss:.4f}")
    if (rate := values.get("learning_rate")) is not None:
        parts.append(f"lr {rate:.2e}")
    if (speed := values.get("tokens_per_second")) is not None:
        parts.append(f"{amount(speed)} tok/s")
    if left is not None:
        parts.append(f"{duration(left)} left")
    return ["  ".join(parts)]


def ending_lines(watch: Watch) -> list[str]:
    """What was reached, what was saved where, and how to go on."""
    state, result, name = watch.state, watch.state.result, watch.run.name
    if result is None or result.status == "failed":
        return []
    if not result.final_dir:
        return [f"{result.status}: {result.reason or 'nothing was trained'}"]
    took = duration(state.pace.active_seconds or result.seconds or 0)
    head = f"{result.status} at step {result.step} of {result.total_steps} after {took}"
    if result.early_stopped:
        head += " (early stopping: the evaluation loss got no better)"
    lines = [head]
    if result.verdict is not None:
        lines += verdict_lines(result.verdict)
    if result.train_loss is not None:
        lines.append(f"  training loss    {result.train_loss:.4f}")
    if result.eval_loss is not None:
        was = f" (before training {result.loss_before:.4f})" if result.loss_before is not None else ""
        lines.append(f"  evaluation loss  {result.eval_loss:.4f}, best at step {result.best_step}{was}")
    lines += [
        f"  final model      {result.final_dir} (step {result.final_step})",
        f"  plot             {result.plot}",
    ]
    if result.checkpoint:
        lines.append(f"  checkpoint       {watch.run.path / result.checkpoint}")
    if state.status == "stopped" and result.checkpoint:
        lines.append(f"resume it with: finetune-tui resume {name}")
    lines.append(f"talk to it: finetune-tui chat {name}")
    return lines


def verdict_lines(verdict: Verdict) -> list[str]:
    """What a run's verdict comes to: how it did, and of what is wrong or worth doing, a line each."""
    lines = [verdict.headline[:1].upper() + verdict.headline[1:] + "."] if verdict.went_wrong else []
    lines += [verdict.plain] if verdict.plain and not verdict.went_wrong else []
    for finding in verdict.findings:
        if finding.level == "warning" or finding.kind == "still-improving":
            lines.append(f"{'warning' if finding.level == 'warning' else 'note'}: {finding.message}")
    remedy = next((finding.remedy for finding in verdict.findings if finding.way is not None and finding.remedy), "")
    return [*lines, f"hint: {remedy}"] if remedy else lines


class JsonDisplay:
    """One event a line on standard output, as in events.jsonl."""

    def show(self, events: list[Event], state: RunState) -> None:
        if events:
            write_text(printable_json("".join(to_line(event).decode() for event in events)), sys.stdout)

    def say(self, text: str) -> None:
        write_line(text, sys.stderr)

    def close(self) -> None:
        pass


class PlainDisplay:
    """Lines for a log: phases, metrics, checkpoints, notices, and a sign of life in between."""

    def __init__(self) -> None:
        self._eta = Eta()
        self._spoke = time.monotonic()

    def show(self, events: list[Event], state: RunState) -> None:
        left = self._eta.left(state)
        lines = [line for event in events for line in event_lines(event, state, left)]
        now = time.monotonic()
        progress = state.progress.get(state.phase)
        if not lines and progress is not None and now - self._spoke > PLAIN_PROGRESS_SECONDS and not state.is_over:
            of = f" of {progress.total}" if progress.total else ""
            lines = [f"  {progress.done}{of} {progress.unit}"]
        for line in lines:
            write_line(line)
            self._spoke = now

    def say(self, text: str) -> None:
        write_line(text)

    def close(self) -> None:
        pass
