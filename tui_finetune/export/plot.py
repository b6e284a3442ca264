"""The picture of a run: training and evaluation loss over the same steps."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import TYPE_CHECKING

from tui_finetune.runs.series import Series
from tui_finetune.runs.state import RunState
from tui_finetune.system.files import write_atomically

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TRAIN_COLOR = "#4c72b0"
EVAL_COLOR = "#c44e52"
DPI = 150
MARKERS_UP_TO = 60
"""With more points than this a line shows them better than marks do."""

WIDE = 15.0
"""The highest loss over the lowest, beyond which the axis is logarithmic: else a high beginning presses the rest flat."""


def _finite(losses: Series) -> tuple[list[int], list[float]]:
    pairs = [(step, value) for step, value in losses if math.isfinite(value)]
    return [step for step, _ in pairs], [value for _, value in pairs]


def draw_losses(state: RunState, path: Path, title: str) -> None:
    """Draw a run's losses as a PNG, whole or not at all.

    Draws with what there is: also with one point, or none, of either curve. The same state gives the same bytes.

    Args:
        state: the run, with its logged losses.
        path: the file; its directory must exist.
        title: stands above the plot, literally.
    """
    # No pyplot: it keeps figures in a global list, and belongs to the main thread.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    steps, losses = _finite(state.losses)
    eval_steps, eval_losses = _finite(state.eval_losses)
    if steps:
        axes.plot(
            steps,
            losses,
            color=TRAIN_COLOR,
            linewidth=1.4,
            label="training loss",
            marker="o" if len(steps) == 1 else "." if len(steps) <= MARKERS_UP_TO else "",
        )
    if eval_steps:
        axes.plot(
            eval_steps,
            eval_losses,
            color=EVAL_COLOR,
            linewidth=1.4,
            label="evaluation loss",
            marker="o" if len(eval_steps) <= MARKERS_UP_TO else "",
            markersize=5,
        )
        best = min(range(len(eval_losses)), key=eval_losses.__getitem__)
        axes.plot(
            eval_steps[best],
            eval_losses[best],
            linestyle="",
            marker="*",
            markersize=13,
            color=EVAL_COLOR,
            markeredgecolor="black",
            markeredgewidth=0.6,
            label=f"best: {eval_losses[best]:.4g} at step {eval_steps[best]}",
            zorder=5,
        )
    if steps or eval_steps:
        axes.legend(frameon=False)
    else:
        axes.text(0.5, 0.5, "no loss was logged", transform=axes.transAxes, ha="center", va="center", color="0.4")
        axes.set_yticks([])
    _lay_out(axes, [*steps, *eval_steps], losses + eval_losses, title)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    write_atomically(path, buffer.getvalue())


def _lay_out(axes: Axes, steps: list[int], values: list[float], title: str) -> None:
    """Give the axes their scales, names and grid.

    Args:
        axes: with the curves drawn.
        steps: of all points.
        values: their losses.
        title: stands above the plot, literally.
    """
    from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter

    unit = "nats per token"
    if values and 0 < min(values) < max(values) / WIDE:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter(NullFormatter())
        unit = "nats per token, log scale"
    axes.set_xlim(0, max([*steps, 1]) * 1.02)
    axes.set_xlabel("step")
    axes.set_ylabel(f"loss ({unit})")
    axes.set_title(title, loc="left", parse_math=False)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(True, color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
