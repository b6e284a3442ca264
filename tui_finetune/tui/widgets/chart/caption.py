"""The line above a curve: what its lines are, or with the crosshair the values that it is on."""

from __future__ import annotations

from dataclasses import dataclass

from rich.segment import Segment
from rich.style import Style
from textual.content import Content
from textual.strip import Strip

from tui_finetune.runs.series import LOSS
from tui_finetune.tui.widgets.chart.names import show, title
from tui_finetune.tui.widgets.chart.panels import Panel, Shown
from tui_finetune.tui.widgets.chart.plot import Ink, Palette
from tui_finetune.tui.widgets.chart.raster import Glyphs
from tui_finetune.tui.widgets.chart.viewport import Viewport
from tui_finetune.tui.widgets.progress import MUTED

_BETWEEN = 3
_SHORT_WIDTH = 64


@dataclass(frozen=True)
class Told:
    """What a caption tells beside the curve: how it was drawn."""

    shown: Shown
    smoothing: str
    view: Viewport
    cursor: float | None
    glyphs: Glyphs
    usual_smoothing: bool
    focused: bool


def caption(panel: Panel, told: Told, width: int) -> Content:
    """The line above the large curve. What doesn't fit is left out, the least important first."""
    right = Content.styled(" · ".join(_options(panel, told)), MUTED)
    short = width < _SHORT_WIDTH
    if told.cursor is not None:
        parts = _cursor_words(panel, told, told.cursor, short=short)
        if _width(parts[:3], Content("")) + right.cell_length > width:
            right = Content("")
    else:
        parts = _legend(panel, told, short=short)
        # All but how values are drawn as logged, which shows by itself, is rather shortened than left out.
        if _width(parts[:4], right) > width:
            parts = _legend(panel, told, short=True)
    while len(parts) > 1 and _width(parts, right) > width:
        parts.pop()
    left = Content(" " * _BETWEEN).join(parts)
    gap = max(width - left.cell_length - right.cell_length, 1)
    return Content.assemble(left, " " * gap, right)


def _width(parts: list[Content], right: Content) -> int:
    return sum(part.cell_length + _BETWEEN for part in parts) - _BETWEEN + bool(right) + right.cell_length


def _options(panel: Panel, told: Told) -> list[str]:
    """How it is drawn, where that is not as usual, and what can't be."""
    options = []
    if gaps := panel.train.gaps + panel.evaluation.gaps:
        options.append(f"✗ {gaps:,} not a number")
    if told.shown.y.log:
        options.append("log scale")
    if not told.usual_smoothing:
        options.append(f"smoothing {told.smoothing}")
    if told.view.zoomed:
        options.append(f"zoom {told.view.magnification:.1f}×{', newest' if told.view.follows else ''}")
    return options


def _legend(panel: Panel, told: Told, *, short: bool) -> list[Content]:
    glyphs = told.glyphs
    name = (title(panel.name), "bold underline $accent" if told.focused else "bold")
    parts = [Content.assemble(name, "  ", ("━━", "$chart-smoothed"), " train" if short else " training")]
    if panel.evaluation.xs:
        parts.append(Content.assemble((glyphs.point, "$chart-evaluation"), " eval" if short else " evaluation"))
    if panel.best is not None:
        where = "" if short else f" at step {panel.best[0]:,}"
        parts.append(Content.assemble((glyphs.best, "$chart-best"), f" best {panel.best[1]:.3f}{where}"))
    if panel.before is not None:
        away = " ↑" if told.shown.before_hidden and panel.before > told.shown.y.value(0) else ""
        words = "before" if short else "before training"
        parts.append(Content.assemble(("···", "$chart-before"), f" {words} {panel.before:.3f}{away}"))
    seen = {mark[1]: (mark[1], mark[2]) for mark in panel.marks if told.shown.x.dot(mark[0]) is not None}
    for sign, ink in seen.values():
        parts.append(Content.assemble((sign, _MARK_STYLES.get(ink, "")), f" {_MARK_WORDS.get(ink, '')}"))
    if told.smoothing != "off":
        parts.append(Content.assemble(("┅┅", "$chart-raw"), " as logged"))
    return parts


_MARK_WORDS: dict[int, str] = {
    Ink.SAVED: "saved",
    Ink.RESUMED: "resumed",
    Ink.CHANGED: "settings changed",
    Ink.ASKED: "asked for",
}
_MARK_STYLES: dict[int, str] = {
    Ink.SAVED: "$chart-saved", Ink.RESUMED: "$chart-resumed", Ink.CHANGED: "$chart-changed", Ink.ASKED: "$chart-asked",
}  # fmt: skip


def _cursor_words(panel: Panel, told: Told, step: float, *, short: bool) -> list[Content]:
    digits = 3 if short else 4

    def value(number: float) -> str:
        if number != number:
            return "not a number"
        return f"{number:.{digits}f}" if panel.name == LOSS else show(panel.name, number)

    train, evaluation = panel.train, panel.evaluation
    parts = [Content.assemble(("step ", MUTED), f"{step:,.0f}")]
    name = "loss" if panel.name == LOSS else title(panel.name)
    if (index := train.nearest(step)) is not None:
        parts.append(Content.assemble(("━━", "$chart-smoothed"), f" {name} {value(train.ys[index])}"))
    if (nearest := evaluation.nearest(step)) is not None:
        at = evaluation.xs[nearest]
        where = "" if at == step else f" at {at:,}"
        words = "eval" if short else "evaluation"
        parts.append(
            Content.assemble(
                (told.glyphs.point, "$chart-evaluation"), f" {words} {value(evaluation.ys[nearest])}{where}"
            )
        )
    if index is not None and told.smoothing != "off":
        parts.append(Content.assemble(("smoothed ", MUTED), value(train.smoothed[index])))
    at_mark = [_MARK_WORDS.get(ink, "") for mark, _, ink in panel.marks if mark == step]
    if at_mark:
        parts.append(Content.styled(", ".join(dict.fromkeys(at_mark)), MUTED))
    return parts


def strip_caption(panel: Panel, cursor: float | None, width: int, palette: Palette) -> Strip:
    """The line above a strip: the curve's name, and its newest value or that under the crosshair."""
    curve = panel.points
    index = len(curve) - 1 if cursor is None else curve.nearest(cursor)
    value = show(panel.name, curve.ys[index]) if index is not None and len(curve) else ""
    name = title(panel.name)[: max(width - len(value) - 2, 0)]
    line = palette.get(Ink.SMOOTHED)
    segments = [Segment(f"{name}  ", palette.get(Ink.AXIS)), Segment(value, line and Style(color=line.color))]
    return Strip(segments).adjust_cell_length(width)
