"""The picture of a loss chart: curves, marks and axes drawn by plotext, as styled text."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

from rich.text import Text

from tui_finetune.tui.widgets.chart.ticks import label_losses, label_steps, log_ticks, ticks

RGB = tuple[int, int, int]
Points = tuple[list[float], list[float]]

STEEP_SHARE, STEEP_POINTS = 0.2, 10
"""The first part of the steps, and how many points must be beyond it to tell that it is steep."""

STEEP_FIRST = 0.7
"""The height of the first point, in that of the highest: a beginning is highest where it begins."""

STEEP_RATIO, STEEP_ROOM = 3.0, 1.25
"""How many times as high as all beyond it that part must be, and the height of the axis then, in that of what is beyond."""

SMALLEST = (16, 4)
"""Columns and rows below which there is nothing to see."""


@dataclass(frozen=True)
class Palette:
    """The colors of a chart; the background is left to the screen."""

    axis: RGB
    raw: RGB
    smoothed: RGB
    evaluation: RGB
    best: RGB
    cursor: RGB


@dataclass
class Curves:
    """What is drawn, already thinned to about two points a column of dots. Each curve is its steps and its values.

    Attributes:
        raw: training loss as it was logged; drawn faintly.
        smoothed: the same, smoothed.
        evaluation: evaluation loss; a mark each, joined by a faint line.
        best: the lowest evaluation loss, if it is in sight.
        cursor: step and value that the crosshair is on; the value may be None.
    """

    raw: Points = field(default_factory=lambda: ([], []))
    smoothed: Points = field(default_factory=lambda: ([], []))
    evaluation: Points = field(default_factory=lambda: ([], []))
    best: tuple[float, float] | None = None
    cursor: tuple[float, float | None] | None = None


def without_steep_start(curves: Curves) -> tuple[Curves, float | None]:
    """The curves without the height of their beginning, where that would press all the rest flat.

    A model that meets new words begins with a loss ten times that of a minute later. Where the first part of the steps is
    so much higher than the others, the axis is made for the others, and the curves come down into it from above. Nothing
    later is cut, and no evaluation.

    Returns:
        The curves, and the highest value that was cut; None where nothing was.
    """
    training = [*zip(*curves.raw, strict=True), *zip(*curves.smoothed, strict=True)]
    if not training:
        return curves, None
    first, last = min(x for x, _ in training), max(x for x, _ in training)
    settled = [y for x, y in training if x >= first + STEEP_SHARE * (last - first)]
    if len(settled) < STEEP_POINTS:
        return curves, None
    values = [*(y for _, y in training), *curves.evaluation[1]]
    low, high, top = min(values), max(values), max(*settled, *curves.evaluation[1])
    if high - low <= STEEP_RATIO * (top - low):
        return curves, None
    limit = low + STEEP_ROOM * (top - low)
    main = curves.smoothed[1] or curves.raw[1]
    down = next((n for n, y in enumerate(main) if y <= limit), len(main))
    if main[0] - low < STEEP_FIRST * (high - low) or max(main[down:], default=high) > limit + (limit - low):
        return curves, None  # that is no beginning but a peak
    cursor = curves.cursor
    if cursor is not None and cursor[1] is not None and cursor[1] > limit:
        cursor = (cursor[0], None)
    cut = replace(curves, raw=_below(curves.raw, limit), smoothed=_below(curves.smoothed, limit), cursor=cursor)
    return cut, high


def _below(points: Points, limit: float) -> Points:
    """A curve from where it comes below a limit; where it goes above again, it is cut off there."""
    xs, ys = points
    begin = next((n for n, y in enumerate(ys) if y <= limit), len(ys))
    kept: Points = (list(xs[begin:]), [min(y, limit) for y in ys[begin:]])
    if 0 < begin < len(ys):
        share = (ys[begin - 1] - limit) / (ys[begin - 1] - ys[begin])
        kept[0].insert(0, xs[begin - 1] + share * (xs[begin] - xs[begin - 1]))
        kept[1].insert(0, limit)
    return kept


def draw_curves(
    curves: Curves, window: tuple[float, float], size: tuple[int, int], palette: Palette, *, log_scale: bool = False
) -> Text:
    """Draw a chart.

    Args:
        curves: what to draw.
        window: the first and the last step of the axis.
        size: columns and rows.
        palette: its colors.
        log_scale: losses on a logarithmic axis; those not above 0 are left out.

    Returns:
        As many lines as there are rows; empty where the size is below SMALLEST or there is nothing to draw.
    """
    width, height = size
    if width < SMALLEST[0] or height < SMALLEST[1]:
        return Text()
    raw, smoothed, evaluation = (_scaled(c, log_scale) for c in (curves.raw, curves.smoothed, curves.evaluation))
    values = [*raw[1], *smoothed[1], *evaluation[1]]
    if not values:
        return Text()
    low, high = _margin(min(values), max(values))
    figure = _figure(size, palette)
    _axes(figure, window, (low, high), size, log_scale)
    if curves.cursor is not None:
        figure.vertical_line(curves.cursor[0], color=palette.cursor)
    figure.plot(*raw, marker="braille", color=palette.raw)
    figure.plot(*evaluation, marker="braille", color=_between(palette.evaluation, palette.axis))
    figure.plot(*smoothed, marker="braille", color=palette.smoothed)
    figure.scatter(*evaluation, marker="●", color=palette.evaluation)
    if curves.best is not None:
        figure.scatter(*_scaled(([curves.best[0]], [curves.best[1]]), log_scale), marker="★", color=palette.best)
    if curves.cursor is not None and curves.cursor[1] is not None:
        figure.scatter(*_scaled(([curves.cursor[0]], [curves.cursor[1]]), log_scale), marker="○", color=palette.cursor)
    text = Text.from_ansi(figure.build(), no_wrap=True)
    text.rstrip()
    return text


def _scaled(points: Points, log_scale: bool) -> Points:
    if not log_scale:
        return points
    kept = [(x, math.log10(y)) for x, y in zip(*points, strict=True) if y > 0]
    return [x for x, _ in kept], [y for _, y in kept]


def _margin(low: float, high: float) -> tuple[float, float]:
    """Room above and below, and for a level curve a little of everything."""
    room = (high - low) * 0.06 or abs(high) * 0.05 or 0.1
    return low - room, high + room


def _between(one: RGB, other: RGB) -> RGB:
    return tuple((a + b) // 2 for a, b in zip(one, other, strict=True))  # type: ignore[return-value]


def _figure(size: tuple[int, int], palette: Palette) -> Any:
    from textual_plotext.plot import Plot

    figure = Plot()
    figure.plotsize(*size)
    # plotsize alone leaves a new figure at the size of the terminal (textual-plotext's issue 5).
    figure._set_size(*size)
    for color in (figure.canvas_color, figure.axes_color):
        color("default")
    figure.ticks_color(palette.axis)
    figure.xaxes(True, False)
    figure.yaxes(True, False)
    return figure


def _axes(
    figure: Any, window: tuple[float, float], limits: tuple[float, float], size: tuple[int, int], log_scale: bool
) -> None:
    width, height = size
    left, right = window
    low, high = limits
    figure.xlim(left, right)
    figure.ylim(low, high)
    rows = max(min(round(height / 2.5), 8), 2)
    if log_scale:
        marks = log_ticks(10.0**low, 10.0**high, rows)
        figure.yticks([math.log10(value) for value in marks], [f"{t:>5}" for t in label_losses(marks)])
    else:
        marks = ticks(low, high, rows)
        figure.yticks(marks, [f"{text:>5}" for text in label_losses(marks)])
    steps = [step for step in ticks(left, right, max(min(width // 12, 8), 2)) if step == int(step)]
    # The unit takes the right end; where a number stands there already, plotext leaves it out.
    unit_fits = not steps or (right - steps[-1]) / (right - left) * width > 8
    figure.xticks(
        [*steps, right] if unit_fits else steps, [*label_steps(steps), "step"] if unit_fits else label_steps(steps)
    )
