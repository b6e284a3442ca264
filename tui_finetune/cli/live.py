"""What `train` shows on a terminal: lines for what happened, and below them a chart, the numbers and a bar."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn
from rich.text import Text

from tui_finetune.cli.displays import Eta, event_lines
from tui_finetune.formatting import amount, duration
from tui_finetune.runs.events import Event, MetricsEvent, PhaseEvent
from tui_finetune.runs.series import Series
from tui_finetune.runs.state import RunState
from tui_finetune.system.output import ungated
from tui_finetune.system.terminal import over_ssh, printable
from tui_finetune.tui.widgets.lines import Line, draw_lines

CHART_FROM_HEIGHT, CHART_HEIGHT, CHART_WIDTH = 24, 9, 100
"""A terminal of so many lines has room for a chart of so many, and so wide at most."""

CHART_POINTS = 400
DRAW_SECONDS, DRAW_SECONDS_SSH = 0.5, 1.0
"""How often it is drawn at most: training and line have better things to do."""


def thinned(curve: Series, count: int = CHART_POINTS) -> tuple[list[float], list[float]]:
    """The points of a curve; of many the least and the greatest of each stretch, so that no spike is lost."""
    steps, values = curve.steps, curve.values
    if len(values) <= count:
        return [float(step) for step in steps], list(values)
    length = -(-2 * len(values) // count)
    xs: list[float] = []
    ys: list[float] = []
    for begin in range(0, len(values), length):
        part = values[begin : begin + length]
        for place in sorted({min(range(len(part)), key=part.__getitem__), max(range(len(part)), key=part.__getitem__)}):
            xs.append(float(steps[begin + place]))
            ys.append(part[place])
    return xs, ys


def chart(state: RunState, width: int, height: int) -> Text:
    """Training and evaluation loss; empty before there are two points."""
    if len(state.losses) < 2:
        return Text()
    lines = [Line("", *thinned(state.losses), style="blue")]
    xs, ys = thinned(state.eval_losses)
    if state.loss_before is not None:
        xs, ys = [0.0, *xs], [state.loss_before, *ys]
    if xs:
        lines.append(Line("●", xs, ys, style="yellow", points=True))
    return draw_lines(lines, min(width, CHART_WIDTH), height)


def numbers(state: RunState) -> Text:
    """The newest numbers in a line."""
    parts: list[str] = []
    if (loss := state.losses.newest) is not None:
        parts.append(f"loss {loss:.4f}")
    if (newest := state.eval_losses.newest) is not None:
        parts.append(f"eval {newest:.4f}" + (f", was {state.loss_before:.4f}" if state.loss_before is not None else ""))
    if state.best_eval_loss is not None and state.best_eval_loss != newest:
        parts.append(f"best {state.best_eval_loss:.4f} at step {state.best_step:,}")
    if (speed := state.curves.newest("tokens_per_second")) is not None:
        parts.append(f"{amount(speed)} tok/s")
    return Text("   ".join(parts), no_wrap=True, overflow="ellipsis")


class LiveDisplay:
    """Lines for what happened; below them chart, numbers, and one bar for what is being done."""

    def __init__(self) -> None:
        self._eta = Eta()
        self._console = Console(file=ungated(sys.stdout), highlight=False, markup=False, emoji=False)
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[count]}", markup=False),
            console=self._console,
            auto_refresh=False,
        )
        self._task = self._bar.add_task("Starting", total=None, count="")
        self._state = RunState()
        self._live = Live(get_renderable=self._picture, console=self._console, auto_refresh=False, transient=True)
        self._drawn_at = 0.0
        self._every = DRAW_SECONDS_SSH if over_ssh() else DRAW_SECONDS
        self._live.start()

    @property
    def has_chart(self) -> bool:
        """Whether the terminal is tall enough for one."""
        return self._console.size.height >= CHART_FROM_HEIGHT

    def _picture(self) -> RenderableType:
        parts: list[RenderableType] = []
        if self.has_chart and (picture := chart(self._state, self._console.size.width, CHART_HEIGHT)):
            parts.append(picture)
        if self._state.losses:
            parts.append(numbers(self._state))
        return Group(*parts, self._bar.get_renderable())

    def show(self, events: Sequence[Event], state: RunState) -> None:
        self._state = state
        left = self._eta.left(state)
        for event in events:
            drawn = self.has_chart and isinstance(event, MetricsEvent) and "loss" in event.values
            if not drawn and not isinstance(event, PhaseEvent):
                for line in event_lines(event, state, left):
                    self._print(line)
        progress = state.progress.get(state.phase)
        label = state.phase_label or ("Training" if state.phase == "training" else state.phase) or "Starting"
        fields: dict[str, Any] = {"description": printable(label, lines=False), "count": ""}
        if progress is None:
            fields |= {"total": None}
        else:
            count = f"{amount(progress.done)}/{amount(progress.total)}" if progress.total else amount(progress.done)
            more = f"  {duration(left)} left" if left is not None else ""
            fields |= {"total": progress.total, "completed": progress.done, "count": f"{count} {progress.unit}{more}"}
        self._bar.update(self._task, **fields)
        if (now := time.monotonic()) - self._drawn_at >= self._every:
            self._drawn_at = now
            self._refresh()

    def _refresh(self) -> None:
        try:
            self._live.refresh()
        except OSError:
            return

    def _print(self, line: str) -> None:
        try:
            self._console.print(Text(printable(line)), soft_wrap=True)
        except OSError:
            return

    def say(self, text: str) -> None:
        self._print(text)

    def close(self) -> None:
        try:
            self._live.stop()
        except OSError:
            return
