"""Runs beside each other on the Runs screen: their curves in one chart, and where settings and results differ."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.widgets import Static

from tui_finetune.runs.compare import AXES, Axis, ComparedRun, differing_settings, results
from tui_finetune.tui.widgets.lines import LETTERS, Line, draw_lines

COLORS = ("$primary", "$accent", "$success", "$error", "$secondary", "$foreground")
"""Of the runs, in turn. Each curve ends in its run's letter too, so that none is told by its color alone."""

_AXIS_NAMES: dict[Axis, str] = {"step": "step", "tokens": "tokens", "time": "s"}


def comparison_table(runs: Sequence[ComparedRun], styles: Sequence[str]) -> Table:
    """What came of each run, and the settings in which they differ."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="")
    table.add_column("")
    for letter, run, style in zip(LETTERS, runs, styles, strict=False):
        table.add_column(Text(f"{letter} {run.run.name}", style=f"bold {style}"), justify="right")
    for label, values in results(runs):
        table.add_row(Text(label, style="dim"), *(Text(value) for value in values))
    differences = differing_settings(runs)
    table.add_row()
    if not differences:
        table.add_row(Text("their settings are the same", style="dim"))
    for key, values in differences:
        table.add_row(Text(key, style="dim"), *(Text(value) for value in values))
    return table


def comparison_lines(runs: Sequence[ComparedRun], axis: Axis, what: str, styles: Sequence[str]) -> list[Line]:
    """The curves of the evaluation loss, or of the training loss."""
    lines = []
    for letter, run, style in zip(LETTERS, runs, styles, strict=False):
        curve = run.state.eval_losses if what == "evaluation" else run.state.losses
        xs, ys = run.along(curve, axis)
        if what == "evaluation" and run.state.loss_before is not None:
            xs, ys = [0.0, *xs], [run.state.loss_before, *ys]
        lines.append(Line(letter, xs, ys, style))
    return lines


class Comparison(Vertical):
    """Shows the runs that are marked."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.axis: Axis = "step"
        self.what = "evaluation"
        self._runs: Sequence[ComparedRun] = ()

    def compose(self) -> ComposeResult:
        yield Static("", id="comparison-chart", markup=False)
        with VerticalScroll(id="comparison-scroll", can_focus=False):
            yield Static("", id="comparison-table", markup=False)

    def show(self, runs: Sequence[ComparedRun]) -> None:
        """Show these runs."""
        self._runs = runs
        self._draw()

    def next_axis(self) -> None:
        """By steps, by tokens, by time, in turn; each for evaluation, then for training."""
        place = AXES.index(self.axis) + 1
        if place == len(AXES):
            self.what = "training" if self.what == "evaluation" else "evaluation"
        self.axis = AXES[place % len(AXES)]
        self._draw()

    def on_resize(self) -> None:
        self._draw()

    def _draw(self) -> None:
        if self._runs:
            self.query_one("#comparison-table", Static).update(comparison_table(self._runs, self._styles()))
            self.call_after_refresh(self._draw_chart)  # which has the room that the table leaves

    def _styles(self) -> list[str]:
        known = self.app.theme_variables
        colors = [known.get(color.removeprefix("$"), "") for color in COLORS]
        return [colors[number % len(colors)] for number in range(len(self._runs))]

    def _draw_chart(self) -> None:
        chart = self.query_one("#comparison-chart", Static)
        width, height = chart.size
        if not width:
            return
        styles = self._styles()
        lines = comparison_lines(self._runs, self.axis, self.what, styles)
        picture = draw_lines(lines, width, height - 1, _AXIS_NAMES[self.axis])
        head = (f"{self.what} loss by {self.axis}", "bold")
        chart.update(Text.assemble(head, ("   t next", "dim"), "\n", picture), layout=False)
