"""Several curves below each other on one axis of steps: which scale each gets, and the picture of each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from tui_finetune.tui.widgets.chart.axis import Axis, step_axis, value_axis
from tui_finetune.tui.widgets.chart.curve import Curve
from tui_finetune.tui.widgets.chart.labels import as_bytes
from tui_finetune.tui.widgets.chart.names import MEMORY
from tui_finetune.tui.widgets.chart.plot import SMALLEST, Ink, Layers, Picture, draw, margin
from tui_finetune.tui.widgets.chart.raster import Glyphs, Points
from tui_finetune.tui.widgets.chart.scale import shows_more_in_log, with_reference
from tui_finetune.tui.widgets.chart.thinning import means, thin

_LEFT = 6
"""Columns for the labels of values; more where one is longer."""

_FOR_LARGE = 13
"""Rows that the large curve has at least before there are strips below it."""

_STRIP_ROWS = (3, 4)
"""Rows of a strip, its caption with it; the more where the large curve keeps ROOMY rows."""

_ROOMY = 17

Mark = tuple[float, str, int]


@dataclass
class Panel:
    """One curve and what belongs to it.

    Attributes:
        name: of the curve.
        train, evaluation: as it is logged in training, and in evaluations.
        before: the value before the first step.
        best: step and value of the best evaluation.
        marks: on the axis of steps.
    """

    name: str
    train: Curve
    evaluation: Curve
    before: float | None = None
    best: tuple[float, float] | None = None
    marks: Sequence[Mark] = ()

    @property
    def points(self) -> Curve:
        """Its main curve: that of evaluations where nothing else is logged."""
        return self.train if self.train.xs else self.evaluation


@dataclass(frozen=True)
class View:
    """What all panels have in common.

    Attributes:
        window: the first and the last step.
        cursor: the step that the crosshair is on.
        glyphs: what dots are drawn with.
        was_log: whether the large one's scale was made logarithmic by itself before.
        other_scale: whether the person wants the other one than that which is chosen.
    """

    window: tuple[float, float]
    cursor: float | None
    glyphs: Glyphs
    was_log: bool = False
    other_scale: bool = False


@dataclass(frozen=True)
class Shown:
    """What was drawn.

    Attributes:
        pictures: of each panel, the large one first; none where there is too little room.
        x: the axis of steps.
        y: that of the values in the large one.
        left: columns before the axis of values.
        chosen_log: whether a logarithmic scale was chosen by itself.
        before_hidden: whether the value before the first step is too far away to be drawn.
    """

    pictures: tuple[Picture, ...] = ()
    x: Axis = field(default_factory=lambda: Axis(0, 1, 1))
    y: Axis = field(default_factory=lambda: Axis(0, 1, 1))
    left: int = 0
    chosen_log: bool = False
    before_hidden: bool = False

    def step_at(self, column: int) -> float | None:
        """The step at a column of the screen; None outside the frame."""
        cell = column - self.left - 1
        return self.x.value(cell + 0.5) if 0 <= cell < self.x.cells else None


def strips_for(curves: int, height: int) -> tuple[int, int]:
    """How many strips fit below the large curve, and how many rows each takes, its caption with it."""
    small, large = _STRIP_ROWS
    count = max(min(curves, (height - _FOR_LARGE) // small), 0)
    return count, large if height - count * large >= _ROOMY else small


def draw_panels(panels: Sequence[Panel], view: View, size: tuple[int, int], strip_rows: int) -> Shown:
    """Draw the first panel large and the others as strips below it.

    Args:
        panels: what to draw.
        view: what they have in common.
        size: columns and rows; each strip needs a row for its caption, which is not drawn here.
        strip_rows: rows of a strip, its caption with it.
    """
    width, height = size
    heights = [height - strip_rows * (len(panels) - 1) - 2] + [strip_rows - 1] * (len(panels) - 1)
    if width < SMALLEST[0] or height < SMALLEST[1] or heights[0] < 2:
        return Shown()
    left = _LEFT
    while True:
        x = step_axis(*view.window, width - left - 1)
        layers = [_layers(panels[0], x, view, is_large=True)]
        layers += [_layers(panel, x, view, is_large=False) for panel in panels[1:]]
        chosen = shows_more_in_log(*_main_line(layers[0]), is_log=view.was_log)
        log = chosen != view.other_scale and any(value > 0 for value in _values(layers[0]))
        if log and min(_values(layers[0])) <= 0:
            layers[0] = _layers(panels[0], x, view, is_large=True, above_zero=True)
        axes = [
            _value_axis(one, panel, rows, log=log and number == 0)
            for number, (one, panel, rows) in enumerate(zip(layers, panels, heights, strict=True))
        ]
        needed = margin(axes)
        if needed <= left or width - needed - 1 < SMALLEST[0] // 2:
            break
        left = needed
    before = panels[0].before
    if before is not None and axes[0].dot(before) is not None:
        layers[0].before = before
    pictures = tuple(
        draw(one, x, y, left, view.glyphs, below=number == 0)
        for number, (one, y) in enumerate(zip(layers, axes, strict=True))
    )
    return Shown(pictures, x, axes[0], left, chosen, before is not None and layers[0].before is None)


def _layers(panel: Panel, x: Axis, view: View, *, is_large: bool, above_zero: bool = False) -> Layers:
    """What is drawn of a panel on this axis of steps."""
    train, evaluation = panel.train, panel.evaluation
    raw = thin(train.xs, train.ys, x, above_zero=above_zero)
    lines: dict[int, Points] = {}
    if is_large and train.smoothing:
        lines[Ink.RAW] = raw
    lines[Ink.EVALUATION] = thin(evaluation.xs, evaluation.ys, x, above_zero=above_zero)
    lines[Ink.SMOOTHED] = means(train.xs, train.smoothed, x) if Ink.RAW in lines else raw
    cursor = None
    if view.cursor is not None:
        index = panel.points.nearest(view.cursor)
        cursor = (view.cursor, None if index is None else panel.points.ys[index])
    points = lines[Ink.EVALUATION] if is_large else ([], [])
    return Layers(
        {ink: points for ink, points in lines.items() if points[0]},
        points=_without_edges(points, evaluation),
        best=panel.best if is_large else None,
        cursor=cursor,
        marks=list(panel.marks) if is_large else [],
    )


def _without_edges(points: Points, curve: Curve) -> Points:
    """Those points of a thinned curve that are its own, and not where it is cut at an edge."""
    own = set(curve.xs) if len(curve.xs) < 10_000 else None
    kept = [(x, y) for x, y in zip(*points, strict=True) if own is None or x in own]
    return [x for x, _ in kept], [y for _, y in kept]


def _values(layers: Layers) -> list[float]:
    return [value for _, values in layers.lines.values() for value in values if math.isfinite(value)]


def _main_line(layers: Layers) -> Points:
    """The curve as it is logged; where there is none, that of the evaluations."""
    found = (layers.lines[ink] for ink in (Ink.RAW, Ink.SMOOTHED, Ink.EVALUATION) if ink in layers.lines)
    return next(found, ([], []))


def _value_axis(layers: Layers, panel: Panel, rows: int, *, log: bool) -> Axis:
    values = [value for value in _values(layers) if value > 0 or not log]
    if not values:
        return value_axis(0.0, 1.0, rows)
    low, high = min(values), max(values)
    if panel.before is not None and (panel.before > 0 or not log):
        low, high = with_reference(low, high, panel.before)
    axis = value_axis(low, high, rows, log=log)
    return replace(axis, labels=tuple(map(as_bytes, axis.labels))) if panel.name == MEMORY else axis
