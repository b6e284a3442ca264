"""The colors of charts, from the theme."""

from __future__ import annotations

from rich.style import Style
from textual.app import App
from textual.color import Color

from tui_finetune.tui.widgets.chart.plot import Ink, Palette

_NAMES = {
    Ink.AXIS: "axis", Ink.BEFORE: "before", Ink.RAW: "raw", Ink.EVALUATION: "evaluation-line",
    Ink.SMOOTHED: "smoothed", Ink.POINT: "evaluation", Ink.BEST: "best", Ink.CURSOR: "cursor", Ink.SAVED: "saved",
    Ink.RESUMED: "resumed", Ink.CHANGED: "changed", Ink.ASKED: "asked",
}  # fmt: skip
_GROUNDS = {Ink.RAW: "raw-ground", Ink.SMOOTHED: "smoothed-ground", Ink.EVALUATION: "evaluation-ground"}


def palette_of(app: App[int]) -> Palette:
    """The styles of the theme that is shown: its variables whose names begin with 'chart'."""
    variables = app.theme_variables

    def color(name: str) -> Color | None:
        given = variables.get(f"chart-{name}")
        return Color.parse(given) if given else None

    styles: dict[int, Style] = {}
    for ink, name in _NAMES.items():
        front, back = color(name), color(_GROUNDS[ink]) if ink in _GROUNDS else None
        styles[ink] = Style(color=front and front.rich_color, bgcolor=back and back.rich_color)
    return styles
