"""The live charts of a run: one large curve over its steps, and small strips of others below it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.strip import Strip
from textual.theme import Theme
from textual.widgets import Static

from tui_finetune.runs.series import LOSS, Series
from tui_finetune.runs.state import RunState
from tui_finetune.tui.widgets.chart.canvas import Canvas
from tui_finetune.tui.widgets.chart.caption import Told, caption, strip_caption
from tui_finetune.tui.widgets.chart.curve import SMOOTHING, Curve
from tui_finetune.tui.widgets.chart.inks import palette_of
from tui_finetune.tui.widgets.chart.marks import marks_of
from tui_finetune.tui.widgets.chart.names import EVALUATION, curve_names, curve_of
from tui_finetune.tui.widgets.chart.panels import Panel, Shown, View, draw_panels, strips_for
from tui_finetune.tui.widgets.chart.raster import BRAILLE, Glyphs
from tui_finetune.tui.widgets.chart.viewport import Viewport, extent

START_SMOOTHING = "medium"
MOVING_SECONDS = 2.0
"""How often the charts are drawn while nothing but the training loss moves: drawing takes as long as all else on screen."""

STILL_SECONDS = 10.0
"""How often where the curve has not come a dot further since, as in a long run."""

READ_AT_ONCE = 20_000
"""Losses up to which the other curves of a log that was skimmed are read on the spot."""


class RunChart(Vertical, can_focus=True):
    """Curves of a run over its steps. `show_run` gives it a run's state, and again whenever that has changed.

    It draws when something is new and it can be seen, and never hands plotext more than the cells that are lit.

    Args:
        clock: seconds that never go back; it draws no more often than is good for the training.
        glyphs: what dots are drawn with.
        with_strips: whether other curves are shown below the large one where there is room.

    Attributes:
        view: the part that is shown.
        name_shown: the curve in the large place.
        other_scale: whether the person wants the other scale than the one that is chosen by itself.
        smoothing: the name of the smoothing, a key of SMOOTHING.
        shown: what was drawn last.
    """

    COMMANDS = ("zoom_in", "zoom_out", "pan_left", "pan_right", "reset", "smoothing", "log_scale", "next_curve",
                "cursor_left", "cursor_right")  # fmt: skip

    def __init__(
        self,
        *,
        id: str | None = None,
        clock: Callable[[], float] = time.monotonic,
        glyphs: Glyphs = BRAILLE,
        with_strips: bool = True,
    ) -> None:
        super().__init__(id=id)
        self._clock = clock
        self._glyphs = glyphs
        self._with_strips = with_strips
        self._state: RunState | None = None
        self.smoothing = START_SMOOTHING
        self._begin_anew()

    def _begin_anew(self) -> None:
        self.view = Viewport()
        self.name_shown = LOSS
        self.other_scale = False
        self.shown: Shown | None = None
        self._curves: dict[str, Curve] = {}
        self._cursor: float | None = None
        self._dirty = True
        self._drawn_at = -math.inf
        self._drawn_to = 0.0
        self._reading: RunState | None = None

    def compose(self) -> ComposeResult:
        yield Static("", id="chart-caption", markup=False)
        yield Canvas(id="chart-plot")

    def on_mount(self) -> None:
        self.app.theme_changed_signal.subscribe(self, self._theme_changed)

    def _theme_changed(self, _: Theme) -> None:
        self._dirty = True
        self.call_after_refresh(self.draw)

    def on_canvas_resized(self, event: Canvas.Resized) -> None:
        event.stop()
        self._dirty = True
        self.draw()

    def on_show(self) -> None:
        self._dirty = True
        self.call_after_refresh(self.draw)

    def on_focus(self) -> None:
        self._redraw()

    def on_blur(self) -> None:
        self._redraw()

    # The curves

    @property
    def train(self) -> Curve:
        """The curve in the large place, as it is logged while the model is trained."""
        return self._curve(self.name_shown)

    @property
    def evaluation(self) -> Curve:
        """The same, as it is logged in evaluations."""
        return self._curve(EVALUATION + self.name_shown)

    def _curve(self, name: str) -> Curve:
        if name not in self._curves:
            self._curves[name] = Curve(SMOOTHING[self.smoothing])
            self._take_in(name)
        return self._curves[name]

    def _take_in(self, name: str) -> bool:
        """Take in what is new of a curve."""
        if self._state is None:
            return False
        points = curve_of(self._state, name)
        return self._curves[name].update(points.steps, points.values)

    @property
    def has_points(self) -> bool:
        return bool(self.train.xs or self.evaluation.xs)

    def show_run(self, state: RunState) -> None:
        """Show a run, or what is new in it."""
        if state is not self._state:
            self._state = state
            self._begin_anew()
        evaluated = len(self.evaluation)
        new = [self._take_in(name) for name in list(self._curves)]
        last = max(state.losses.steps[-1:].tolist() + state.eval_losses.steps[-1:].tolist() + self.train.xs[-1:].tolist(),
                   default=0)  # fmt: skip
        end = extent(last, state.total_steps, over=state.is_over)
        if any(new) or end != self.view.end:
            self.view.grow(last, end)
            self._dirty = True
        if len(self.evaluation) != evaluated or state.is_over:
            self.draw()
        else:
            self.draw_if_due()

    # What keys and the mouse do

    def command(self, name: str) -> None:
        """Do one of COMMANDS, and draw."""
        if self._state is None or not self._state.has_points:
            return
        if name in {"zoom_in", "zoom_out"}:
            self.view.zoom(name == "zoom_in", self._cursor)
        elif name in {"pan_left", "pan_right"}:
            self.view.pan(name == "pan_right")
        elif name == "reset":
            self.view.reset()
            self.other_scale = False
            self._cursor = None
        elif name == "smoothing":
            names = list(SMOOTHING)
            self.smoothing = names[(names.index(self.smoothing) + 1) % len(names)]
            for curve in self._curves.values():
                curve.smooth(SMOOTHING[self.smoothing])
        elif name == "log_scale":
            self.other_scale = not self.other_scale
        elif name == "next_curve":
            self._next_curve()
        else:
            self._move_cursor(1 if name == "cursor_right" else -1)
        self._redraw()

    def _redraw(self) -> None:
        self._dirty = True
        self.draw()

    def _next_curve(self) -> None:
        assert self._state is not None
        names = curve_names(self._state, self._state.curves.names)
        if names:
            at = names.index(self.name_shown) if self.name_shown in names else -1
            self.name_shown = names[(at + 1) % len(names)]
            self.other_scale = False

    @property
    def has_cursor(self) -> bool:
        return self._cursor is not None

    def drop_cursor(self) -> bool:
        """Take the crosshair away; False where there is none."""
        if self._cursor is None:
            return False
        self._cursor = None
        self._redraw()
        return True

    def on_canvas_clicked(self, event: Canvas.Clicked) -> None:
        event.stop()
        if self.can_focus:
            self.focus()
        if self.shown is not None and (step := self.shown.step_at(event.column)) is not None:
            index = self._under_cursor.nearest(step)
            if index is not None:
                self._cursor = self._under_cursor.xs[index]
                self._redraw()

    def on_canvas_dragged(self, event: Canvas.Dragged) -> None:
        event.stop()
        if self.shown is not None and self.view.zoomed:
            self.view.move(-event.columns * self.shown.x.cell)
            self._redraw()

    def on_canvas_wheeled(self, event: Canvas.Wheeled) -> None:
        event.stop()
        if self.shown is not None and self._state is not None:
            self.view.zoom(event.up, self.shown.step_at(event.column))
            self._redraw()

    @property
    def _under_cursor(self) -> Curve:
        return self.train if self.train.xs else self.evaluation

    def _move_cursor(self, direction: int) -> None:
        """To the next point, or with more points than dots to the next dot. It begins at the newest in sight."""
        series = self._under_cursor
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

    def draw_if_due(self) -> None:
        """Draw what moved, unless it was drawn a moment ago or would look the same."""
        waited = self._clock() - self._drawn_at
        moved = abs(self.view.last - self._drawn_to)  # back, where the run was resumed from an earlier step
        if waited >= STILL_SECONDS or (waited >= MOVING_SECONDS and moved >= self._dot):
            self.draw()

    @property
    def _dot(self) -> float:
        """How many steps a dot is wide."""
        return self.shown.x.cell / 2 if self.shown is not None else 0.0

    def draw(self) -> None:
        """Draw if anything is new and the charts can be seen."""
        state = self._state
        if not self._dirty or state is None or not self.is_mounted or not self.display or not self.screen.is_current:
            return
        canvas = self.query_one("#chart-plot", Canvas)
        width, height = canvas.size
        if width == 0 or height == 0:
            return
        self._dirty, self._drawn_at, self._drawn_to = False, self._clock(), self.view.last
        names = curve_names(state, state.curves.names) if self._with_strips else []
        others = [name for name in names if name != self.name_shown]
        strips, rows_each = strips_for(len(others), height)
        if not self._is_read(state, [self.name_shown, *others[:strips]]):
            strips, self.name_shown = 0, LOSS
        panels = [self._panel(self.name_shown)] + [self._panel(name) for name in others[:strips]]
        view = View(self.view.window(), self._cursor, self._glyphs, self._was_log, self.other_scale)
        self.shown = draw_panels(panels, view, (width, height), rows_each)
        palette = palette_of(self.app)
        rows: list[Strip] = []
        for number, (panel, picture) in enumerate(zip(panels, self.shown.pictures, strict=False)):
            if number:
                rows.append(strip_caption(panel, self._cursor, width, palette))
            rows += picture.strips(palette)
        canvas.show(rows)
        usual = self.smoothing == START_SMOOTHING
        told = Told(self.shown, self.smoothing, self.view, self._cursor, self._glyphs, usual, self.has_focus)
        self.query_one("#chart-caption", Static).update(caption(panels[0], told, width), layout=False)

    def _is_read(self, state: RunState, names: list[str]) -> bool:
        """Whether these curves are there. Those of a long log that was skimmed are read in a thread, and then drawn."""
        waiting = state.curves.waiting
        if not waiting or names == [LOSS] or len(state.losses) < READ_AT_ONCE:
            return True
        if self._reading is not state:
            self._reading = state

            def work() -> None:
                read = [later() for later in waiting]
                self.app.call_from_thread(have, read)

            def have(read: list[Mapping[str, Series]]) -> None:
                # Where somebody else has read it meanwhile, or the run went back, there is nothing to be taken.
                if state.curves.waiting[: len(read)] == waiting:
                    state.curves.take(read)
                self._reading = None
                if state is self._state:
                    self._redraw()

            self.run_worker(work, thread=True, group="curves", exclusive=True, exit_on_error=False)
        return False

    @property
    def _was_log(self) -> bool:
        return self.shown is not None and self.shown.chosen_log

    def _panel(self, name: str) -> Panel:
        state = self._state
        assert state is not None
        is_loss = name == LOSS
        return Panel(
            name,
            self._curve(name),
            self._curve(EVALUATION + name),
            before=state.loss_before if is_loss else None,
            best=(state.best_step, state.best_eval_loss)
            if is_loss and state.best_step is not None and state.best_eval_loss is not None
            else None,
            marks=marks_of(state) if name == self.name_shown else (),
        )
