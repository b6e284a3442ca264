"""The live chart of a run's losses: zoom, pan, smoothing, logarithmic scale, crosshair."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from rich.text import Text
from textual.app import ComposeResult, RenderResult
from textual.color import Color
from textual.containers import Vertical
from textual.content import Content
from textual.events import Click
from textual.message import Message
from textual.theme import Theme
from textual.widget import Widget
from textual.widgets import Static

from tui_finetune.runs.state import RunState
from tui_finetune.tui.widgets.chart.plot import RGB, Curves, Palette, draw_curves, without_steep_start
from tui_finetune.tui.widgets.chart.thinning import SMOOTHING, LossSeries, column_means, thin
from tui_finetune.tui.widgets.chart.viewport import Viewport, extent
from tui_finetune.tui.widgets.progress import MUTED

START_SMOOTHING = "medium"
MOVING_SECONDS = 2.0
"""How often the chart is drawn while nothing but the training loss moves: drawing takes as long as all else on screen."""

STILL_SECONDS = 10.0
"""How often where the curve has not come a dot further since, as in a long run."""

_LEFT_OF_CANVAS = 7
"""Columns that labels and axis of the losses usually take."""


class _Plot(Widget):
    """Shows the picture that it was given last."""

    picture = Text()

    class Pressed(Message):
        """The mouse was pressed at a share of the width."""

        def __init__(self, share: float) -> None:
            super().__init__()
            self.share = share

    class Resized(Message):
        """There is more room, or less."""

    def on_resize(self) -> None:
        self.post_message(self.Resized())

    def show(self, picture: Text) -> None:
        self.picture = picture
        self.refresh()

    def render(self) -> RenderResult:
        return self.picture

    def on_click(self, event: Click) -> None:
        width = self.size.width - _LEFT_OF_CANVAS
        if width > 0 and event.x >= _LEFT_OF_CANVAS:
            self.post_message(self.Pressed((event.x - _LEFT_OF_CANVAS) / width))


class LossChart(Vertical, can_focus=True):
    """Training and evaluation loss over steps. `show_run` gives it a run's state, and again whenever that has changed.

    It draws when something is new and it can be seen, and never hands plotext more than two points a column of dots.

    Args:
        clock: seconds that never go back; it draws no more often than is good for the training.

    Attributes:
        view: the part that is shown.
        train, evaluation: the curves.
        log_scale: whether losses are on a logarithmic axis.
        smoothing: the name of the smoothing, a key of SMOOTHING.
    """

    COMMANDS = ("zoom_in", "zoom_out", "pan_left", "pan_right", "reset", "smoothing", "log_scale",
                "cursor_left", "cursor_right")  # fmt: skip

    def __init__(self, *, id: str | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(id=id)
        self._clock = clock
        self._state: RunState | None = None
        self.log_scale = False
        self.smoothing = START_SMOOTHING
        self._begin_anew()

    def _begin_anew(self) -> None:
        self.view = Viewport()
        self.train = LossSeries(SMOOTHING[self.smoothing])
        self.evaluation = LossSeries()
        self._cursor: float | None = None
        self._dirty = True
        self._drawn_at = -math.inf
        self._drawn_to = 0.0
        self._cut: float | None = None

    def compose(self) -> ComposeResult:
        yield Static("", id="chart-caption", markup=False)
        yield _Plot(id="chart-plot")

    def on_mount(self) -> None:
        self.app.theme_changed_signal.subscribe(self, self._theme_changed)

    def _theme_changed(self, _: Theme) -> None:
        self._dirty = True
        self.call_after_refresh(self.draw)

    def on__plot_resized(self, event: _Plot.Resized) -> None:
        event.stop()
        self._dirty = True
        self.draw()

    def on_show(self) -> None:
        self._dirty = True
        self.call_after_refresh(self.draw)

    @property
    def has_points(self) -> bool:
        return bool(self.train.xs or self.evaluation.xs)

    def show_run(self, state: RunState) -> None:
        """Show a run, or what is new in it."""
        if state is not self._state:
            self._state = state
            self._begin_anew()
        new_train = self.train.update(state.losses.steps, state.losses.values)
        new_eval = self.evaluation.update(state.eval_losses.steps, state.eval_losses.values)
        last = max([*self.train.xs[-1:], *self.evaluation.xs[-1:], 0])
        end = extent(last, state.total_steps, over=state.is_over)
        if new_train or new_eval or end != self.view.end:
            self.view.grow(last, end)
            self._dirty = True
        if new_eval or state.is_over:
            self.draw()
        else:
            self.draw_if_due()

    # What keys do

    def command(self, name: str) -> None:
        """Do one of COMMANDS, and draw."""
        if self._state is None or not self.has_points:
            return
        if name in {"zoom_in", "zoom_out"}:
            self.view.zoom(name == "zoom_in", self._cursor)
        elif name in {"pan_left", "pan_right"}:
            self.view.pan(name == "pan_right")
        elif name == "reset":
            self.view.reset()
            self._cursor = None
        elif name == "smoothing":
            names = list(SMOOTHING)
            self.smoothing = names[(names.index(self.smoothing) + 1) % len(names)]
            self.train.smooth(SMOOTHING[self.smoothing])
        elif name == "log_scale":
            self.log_scale = not self.log_scale
        else:
            self._move_cursor(1 if name == "cursor_right" else -1)
        self._dirty = True
        self.draw()

    @property
    def has_cursor(self) -> bool:
        return self._cursor is not None

    def drop_cursor(self) -> bool:
        """Hide the crosshair; False where there is none."""
        if self._cursor is None:
            return False
        self._cursor = None
        self._dirty = True
        self.draw()
        return True

    def on__plot_pressed(self, event: _Plot.Pressed) -> None:
        event.stop()
        low, high = self.view.window()
        self._cursor_to(low + event.share * (high - low))

    def _cursor_to(self, step: float) -> None:
        series = self._steps_under_cursor
        index = series.nearest(step)
        if index is not None:
            self._cursor = series.xs[index]
            self._dirty = True
            self.draw()

    @property
    def _steps_under_cursor(self) -> LossSeries:
        return self.train if self.train.xs else self.evaluation

    def _move_cursor(self, direction: int) -> None:
        """To the next point, or with more points than dots to the next dot. It begins at the newest in sight."""
        series = self._steps_under_cursor
        low, high = self.view.window()
        if self._cursor is None or not low <= self._cursor <= high:
            index = series.nearest(min(high, self.view.last))
        else:
            index = series.nearest(self._cursor)
            further = series.nearest(self._cursor + direction * self._dot)
            if index is not None and further is not None:
                index = further if further != index else index + direction
        if index is None:
            return
        self._cursor = series.xs[min(max(index, 0), len(series) - 1)]
        if not low <= self._cursor <= high:
            self.view.pan(direction > 0)

    # Drawing

    @property
    def _plot_size(self) -> tuple[int, int]:
        size = self.query_one("#chart-plot", _Plot).size
        return size.width, size.height

    def draw_if_due(self) -> None:
        """Draw what moved, unless it was drawn a moment ago or would look the same."""
        waited = self._clock() - self._drawn_at
        moved = abs(self.view.last - self._drawn_to)  # back, where the run was resumed from an earlier step
        if waited >= STILL_SECONDS or (waited >= MOVING_SECONDS and moved >= self._dot):
            self.draw()

    @property
    def _dot(self) -> float:
        """How many steps a dot is wide."""
        low, high = self.view.window()
        return (high - low) / max(2 * (self._plot_size[0] - _LEFT_OF_CANVAS), 1)

    def draw(self) -> None:
        """Draw if anything is new and the chart can be seen."""
        if not self._dirty or not self.is_mounted or not self.display or not self.screen.is_current:
            return
        width, height = self._plot_size
        if width == 0 or height == 0:
            return
        self._dirty, self._drawn_at, self._drawn_to = False, self._clock(), self.view.last
        curves, self._cut = self._curves(2 * width), None
        if not self.log_scale and not self.view.zoomed:
            curves, self._cut = without_steep_start(curves)
        picture = draw_curves(curves, self.view.window(), (width, height), self._palette(), log_scale=self.log_scale)
        self.query_one("#chart-plot", _Plot).show(picture)
        self.query_one("#chart-caption", Static).update(self._caption(width), layout=False)

    def _curves(self, columns: int) -> Curves:
        low, high = self.view.window()
        train, evaluation = self.train, self.evaluation
        smoothed = column_means(train.xs, train.smoothed, low, high, columns) if train.smoothing else ([], [])
        raw = thin(train.xs, train.ys, low, high, columns)
        if not train.smoothing:
            raw, smoothed = ([], []), raw
        best = self._best()
        cursor = None
        if self._cursor is not None and low <= self._cursor <= high:
            series = self._steps_under_cursor
            index = series.nearest(self._cursor)
            cursor = (self._cursor, None if index is None else series.ys[index])
        return Curves(
            raw,
            smoothed,
            thin(evaluation.xs, evaluation.ys, low, high, columns),
            best if best is not None and low <= best[0] <= high else None,
            cursor,
        )

    def _best(self) -> tuple[float, float] | None:
        state = self._state
        if state is None or state.best_eval_loss is None or state.best_step is None:
            return None
        return state.best_step, state.best_eval_loss

    def _palette(self) -> Palette:
        variables = self.app.theme_variables

        def color(name: str, share: float = 1.0) -> RGB:
            background = Color.parse(variables["background"])
            return background.blend(Color.parse(variables[name]), share).rgb

        dark = self.app.current_theme.dark
        return Palette(
            axis=color("foreground", 0.5),
            raw=color("primary", 0.4 if dark else 0.35),
            smoothed=color("primary"),
            evaluation=color("accent"),
            best=color("success"),
            cursor=color("foreground", 0.75),
        )

    def _caption(self, width: int) -> Content:
        """The legend; with the crosshair the values it is on. What doesn't fit is left out, the least important first."""
        options = [f"↑ up to {self._cut:.1f}"] if self._cut is not None else []
        if self.log_scale:
            options.append("log scale")
        if self.smoothing != START_SMOOTHING:
            options.append(f"smoothing {self.smoothing}")
        if self.view.zoomed:
            tail = ", newest" if self.view.follows else ""
            options.append(f"zoom {self.view.magnification:.1f}×{tail}")
        right = Content.styled(" · ".join(options), MUTED)
        short = width < 64
        if self._cursor is not None:
            parts = self._cursor_words(short=short)
        else:
            parts = self._legend(short=short)
            # All but how the loss as logged is drawn, which shows by itself, is rather shortened than left out.
            needed = sum(part.cell_length + 3 for part in parts[:3]) - 3 + bool(right) + right.cell_length
            if needed > width:
                parts = self._legend(short=True)
        if self._cursor is not None and sum(p.cell_length + 3 for p in parts[:3]) + right.cell_length > width:
            right = Content("")
        while len(parts) > 1 and sum(p.cell_length + 3 for p in parts) - 3 + bool(right) + right.cell_length > width:
            parts.pop()
        left = Content("   ").join(parts)
        gap = max(width - left.cell_length - right.cell_length, 1)
        return Content.assemble(left, " " * gap, right)

    def _legend(self, *, short: bool) -> list[Content]:
        parts = [Content.assemble(("Loss", MUTED), "  ", ("━━", "$primary"), " train" if short else " training")]
        if self.evaluation.xs:
            parts.append(Content.assemble(("●", "$accent"), " eval" if short else " evaluation"))
        if (best := self._best()) is not None:
            where = "" if short else f" at step {best[0]:,}"
            parts.append(Content.assemble(("★", "$success"), f" best {best[1]:.3f}{where}"))
        if self.smoothing != "off":
            parts.append(Content.assemble(("┅┅", "$primary 45%"), " as logged"))
        return parts

    def _cursor_words(self, *, short: bool) -> list[Content]:
        step = self._cursor
        assert step is not None
        digits = 3 if short else 4
        parts = [Content.assemble(("step ", MUTED), f"{step:,.0f}")]
        if (index := self.train.nearest(step)) is not None:
            parts.append(Content.assemble(("━━", "$primary"), f" loss {self.train.ys[index]:.{digits}f}"))
        if (nearest := self.evaluation.nearest(step)) is not None:
            at = self.evaluation.xs[nearest]
            where = "" if at == step else f" at {at:,}"
            name = "eval" if short else "evaluation"
            parts.append(Content.assemble(("●", "$accent"), f" {name} {self.evaluation.ys[nearest]:.{digits}f}{where}"))
        if index is not None and self.smoothing != "off":
            parts.append(Content.assemble(("smoothed ", MUTED), f"{self.train.smoothed[index]:.{digits}f}"))
        return parts
