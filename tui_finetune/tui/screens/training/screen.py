"""The Training screen: the run as it goes, and what became of it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Center, Grid, Horizontal, Middle, Vertical
from textual.content import Content
from textual.widgets import Static

from tui_finetune.errors import UserError
from tui_finetune.runs.control import Action
from tui_finetune.runs.findings.limits import rules_text
from tui_finetune.runs.outcome import Outcome, outcome
from tui_finetune.runs.state import RunState
from tui_finetune.runs.status import OVER
from tui_finetune.runs.verdict import Verdict
from tui_finetune.runs.watch import Watch
from tui_finetune.tui.screens import afterwards
from tui_finetune.tui.screens.base import TabScreen
from tui_finetune.tui.screens.training.heading import (
    ending_content,
    ending_heading,
    heading,
    nothing_yet,
    phase_share,
    preparation,
    verdict_content,
)
from tui_finetune.tui.screens.training.numbers import epochs, number_rows
from tui_finetune.tui.screens.training.panes import RunPanes
from tui_finetune.tui.screens.training.rows import NumbersPanel
from tui_finetune.tui.state import AppState
from tui_finetune.tui.widgets.chart.raster import glyphs_for
from tui_finetune.tui.widgets.chart.run_chart import RunChart
from tui_finetune.tui.widgets.progress import ProgressLine

if TYPE_CHECKING:
    from tui_finetune.config.schema import RunConfig

_ASKED: dict[str, str] = {
    "pause": "pausing after this step", "continue": "going on", "evaluate": "evaluating after this step",
    "save": "saving after this step", "sample": "writing a sample after this step",
}  # fmt: skip


TICK_SECONDS = 1.0

HUGE = 160
"""Columns from which everything has room at once."""


class TrainingScreen(TabScreen):
    """Chart, numbers, progress, samples, log."""

    mode = "training"
    CSS_PATH = "training.tcss"
    help_text = (
        "The run, live. The chart shows the training loss, as it was logged and smoothed, and the evaluation loss: "
        "while both fall, the model learns; when the evaluation loss rises, it has begun to memorize.\n\n"
        "ctrl+c finishes the step, saves and ends the run; it can be resumed exactly there. ctrl+d leaves the run "
        "running in the background. A paused run keeps the device's memory.\n\n"
        "When it is over, c chats with the model, e extends it, n puts its settings into the plan to change one, k compares "
        "it, and a starts it again with what Health advises.\n\n"
        "Samples: the same prompts before training, at each evaluation and at the end; with the focus there, left and right "
        "walk through time. Log: what happened; / filters it. Output: what libraries printed.\n\n"
        "Health speaks up where something is so, and takes it back when it no longer is:\n"
        f"{rules_text()}\n\n"
        "On the chart: + and - zoom, [ and ] move, the arrows put a crosshair on a point, 0 goes back to the whole run; the "
        "wheel, dragging and a click do the same. m brings another curve to the large place, u shows perplexity. The dotted "
        "line is the loss before training; ▲ is a checkpoint, ► a resume, ♦ one with other settings, ○ what was asked for. "
        "Where a loss begins far above the rest, or has a spike, the axis is logarithmic by itself; l shows the other one."
    )
    BINDINGS = [
        Binding("ctrl+c", "stop", "Stop", id="training.stop", priority=True,
                tooltip="Finish the step, save everything and end the run; a second press asks"),
        Binding("p", "ask('pause')", "Pause", id="training.pause", tooltip="Pause the run after this step"),
        Binding("p", "ask('continue')", "Go on", id="training.continue", tooltip="Continue the paused run"),
        Binding("e", "ask('evaluate')", "Evaluate", id="training.evaluate",
                tooltip="Evaluate after this step"),
        Binding("s", "ask('save')", "Save", id="training.save", tooltip="Save a checkpoint after this step"),
        Binding("g", "ask('sample')", "Sample", id="training.sample",
                tooltip="Let the model, as it is now, write something"),
        Binding("ctrl+d", "detach", "Detach", id="training.detach", tooltip="Back to the shell; the run continues"),
        Binding("r", "resume", "Resume", id="training.resume", tooltip="Resume from the newest checkpoint"),
        Binding("b", "before_after", "Before/after", id="training.before-after",
                tooltip="Give one prompt to the model before and after this training, side by side"),
        Binding("x", "export", "Export", show=False, id="training.export", tooltip="Take its model elsewhere"),
        Binding("c", "afterwards('chat')", "Chat", id="training.chat", tooltip="Chat with the model of this run"),
        Binding("a", "afterwards('again')", "Again", show=False, id="training.again",
                tooltip="A new run with the change that Health advises, as a lower learning rate"),
        Binding("e", "afterwards('extend')", "Extend", show=False, id="training.extend",
                tooltip="Continue with more epochs"),
        Binding("n", "afterwards('vary')", "One change", show=False, id="training.vary",
                tooltip="Put this run's settings into the plan, to change one of them"),
        Binding("k", "afterwards('compare')", "Compare", show=False, id="training.compare",
                tooltip="Compare it with other runs on the Runs screen"),
        Binding("slash", "filter", "Filter the log", key_display="/", show=False, priority=True, id="training.filter",
                tooltip="Only the lines of the log that have these words"),
        Binding("v", "next_pane", "Next pane", show=False, id="training.pane",
                tooltip="Samples, Log, Health, Checkpoints, Output in turn"),
        Binding("plus,equals_sign", "chart('zoom_in')", "Zoom in", key_display="+", show=False, id="chart.zoom-in",
                tooltip="Show fewer steps; at the newest step it stays there"),
        Binding("minus", "chart('zoom_out')", "Zoom out", key_display="-", show=False, id="chart.zoom-out",
                tooltip="Show more steps"),
        Binding("left_square_bracket", "chart('pan_left')", "Earlier steps", key_display="[", show=False,
                id="chart.pan-left", tooltip="Move to earlier steps"),
        Binding("right_square_bracket", "chart('pan_right')", "Later steps", key_display="]", show=False,
                id="chart.pan-right", tooltip="Move to later steps"),
        Binding("0", "chart('reset')", "Whole run", show=False, id="chart.reset", tooltip="Show all steps"),
        Binding("m", "chart('next_curve')", "Next curve", show=False, id="chart.next-curve",
                tooltip="Another curve in the large place: learning rate, gradient norm, speed, memory, all that is logged"),
        Binding("u", "perplexity", "Perplexity", show=False, id="training.perplexity",
                tooltip="Perplexity in place of the losses: e to the power of the loss"),
        Binding("y", "chart('smoothing')", "Smoothing", show=False, id="chart.smoothing",
                tooltip="Off, light, medium, strong in turn"),
        Binding("l", "chart('log_scale')", "Log scale", show=False, id="chart.log-scale",
                tooltip="The other axis: logarithmic, or even where it is logarithmic by itself"),
        Binding("left", "chart('cursor_left')", "Crosshair left", show=False, id="chart.cursor-left",
                tooltip="Values at the previous point"),
        Binding("right", "chart('cursor_right')", "Crosshair right", show=False, id="chart.cursor-right",
                tooltip="Values at the next point"),
        Binding("escape", "drop_cursor", "Crosshair off", show=False, id="chart.cursor-off",
                tooltip="Hide the crosshair"),
    ]  # fmt: skip

    def __init__(self, shared: AppState) -> None:
        super().__init__(shared)
        self._watching: Watch | None = None
        self._config: RunConfig | None = None
        self._asked: tuple[Action, str] | None = None
        self._news_at = 0.0
        self._drawn_at = 0.0
        self._updated: float | None = None
        self._perplexity = False

    def compose_body(self) -> ComposeResult:
        with Middle(id="nothing"), Center():
            yield Static("", id="nothing-text", markup=False)
        with Grid(id="run"):
            with Horizontal(id="heading"):
                yield Static("", id="heading-text", markup=False)
                yield ProgressLine(id="phase")
            with Vertical(id="stage"):
                yield RunChart(id="chart", clock=self.shared.clock, glyphs=glyphs_for(os.environ))
                with Middle(id="preparation"), Center():
                    yield Static("", id="preparation-text", markup=False)
            yield NumbersPanel(id="numbers")
            with Vertical(id="below"):
                with Horizontal(id="bars"):
                    yield ProgressLine("run", id="run-bar")
                    yield ProgressLine("epoch", id="epoch-bar")
                yield Static("", id="remedy", markup=False)
                yield Static("", id="ending", markup=False)
            yield RunPanes(id="panes")

    def on_mount(self) -> None:
        super().on_mount()
        self.set_interval(TICK_SECONDS, self._tick)

    def on_resize(self) -> None:
        super().on_resize()
        # On a very wide screen samples and log stand at the side, below the numbers.
        huge = self.size.width >= HUGE
        if huge != self.has_class("-huge"):
            self.set_class(huge, "-huge")
            panes, below = self.query_one("#panes"), self.query_one("#below")
            if huge:
                self.query_one("#run").move_child(panes, before=below)
            else:
                self.query_one("#run").move_child(panes, after=below)
        self.call_after_refresh(self._fit_ending)

    # What is shown

    def choices_changed(self) -> None:
        if not self.shared.draft.is_settled:
            return  # What is chosen, and the run's own settings, take imports: the run is shown before.
        resolved = self.shared.draft.resolved
        self.query_one("#nothing-text", Static).update(nothing_yet(resolved.config if resolved else None))
        if self._watching is not None and self._config is None:
            self.run_changed()

    def run_changed(self) -> None:
        super().run_changed()
        watch = self.shared.monitor.watched
        self.query_one("#nothing").display = watch is None
        self.query_one("#run").display = watch is not None
        if watch is None:
            return
        if watch is not self._watching:
            self._watching, self._asked, self._updated, self._config = watch, None, None, None
        state = watch.state
        self._drawn_at = self.shared.clock()
        if state.updated != self._updated:
            self._updated, self._news_at = state.updated, self.shared.clock()
        if self._config is None and self.shared.draft.is_settled:
            self._read_config(watch)
        if self._asked is not None and (self._asked[1] in state.answered or state.status == "stopping"):
            self._asked = None
        self._show_heading(watch)
        self._show_chart(state)
        self._show_progress(watch)
        self._show_numbers(state)
        self.query_one(RunPanes).show_run(watch.run, state, self._verdict(watch))
        self.refresh_bindings()

    def _read_config(self, watch: Watch) -> None:
        try:
            self._config = watch.run.read_config()
        except UserError:
            self._config = None

    def _show_heading(self, watch: Watch) -> None:
        state, status, name = watch.state, watch.status, watch.run.name
        end = self._ending(watch)
        asked = _ASKED[self._asked[0]] if self._asked else ""
        words = ending_heading(end, name) if end else heading(state, status, name, asked)
        # One line while the run goes; at its end it may take several.
        self.query_one("#heading-text", Static).update(words, layout=end is not None)
        bar = self.query_one("#phase", ProgressLine)
        share, counts = phase_share(state)
        bar.display = end is None and state.phase != "training" and share is not None and state.has_points
        if bar.display:
            bar.show(share, counts)

    def _show_chart(self, state: RunState) -> None:
        chart, stage = self.query_one(RunChart), self.query_one("#preparation")
        points = state.has_points
        if points and not chart.has_class("-ready"):
            chart.add_class("-ready")
            self.call_after_refresh(chart.draw)
        chart.display, stage.display = points, not points
        if points:
            chart.show_run(state)
        else:
            words = preparation(state, self.app.size.width)
            self.query_one("#preparation-text", Static).update(words)

    def _verdict(self, watch: Watch) -> Verdict:
        return watch.verdict(self._config, self.shared.now())

    def _ending(self, watch: Watch) -> Outcome | None:
        if watch.status not in OVER:
            return None
        return outcome(watch.state, watch.status, watch.run.path, self._verdict(watch))

    def _show_progress(self, watch: Watch) -> None:
        state = watch.state
        end = self._ending(watch)
        self.query_one("#bars").display = end is None and state.total_steps is not None
        text = self.query_one("#ending", Static)
        text.display = end is not None
        self.set_class(end is not None, "-over")
        said = verdict_content(self._verdict(watch)) if end is None else None
        self.query_one("#remedy").display = said is not None or (end is not None and bool(end.remedy))
        if said is not None:
            self.query_one("#remedy", Static).update(said)
        if end is not None:
            text.update(ending_content(end, self.size.width - 4))
            self.query_one("#remedy", Static).update(Content.assemble(("→ ", "$accent"), end.remedy))
        elif total := state.total_steps:
            self.query_one("#run-bar", ProgressLine).show(state.step / total, f"{state.step:,} / {total:,}")
            done = epochs(state, self._config)
            bar = self.query_one("#epoch-bar", ProgressLine)
            bar.display = done is not None
            if done is not None:
                whole = min(int(done[0]), max(int(done[1] - 1e-9), 0))
                length = min(1.0, done[1] - whole)
                bar.show((done[0] - whole) / length, f"{whole + 1} / {max(round(done[1] + 0.499), 1)}")

    def _fit_ending(self) -> None:
        """Its lines are as long as the screen is wide, which is known when it is laid out."""
        if self._watching is not None and self._ending(self._watching) is not None:
            self._show_progress(self._watching)

    def _show_numbers(self, state: RunState) -> None:
        going = self.shared.monitor.is_going and state.status != "paused"
        waited = self.shared.clock() - self._news_at if going else 0.0
        self.query_one(NumbersPanel).show(number_rows(state, self._config, waited=waited, perplexity=self._perplexity))

    def _tick(self) -> None:
        """The time goes on also where nothing happens, and so does the log."""
        if self._watching is None or not self.is_current or self._watching is not self.shared.monitor.watched:
            return
        # A run that tells news is drawn with them, about as often: twice would cost twice.
        if self._watching.status not in OVER and self.shared.clock() - self._drawn_at > 1.5 * TICK_SECONDS:
            self._show_numbers(self._watching.state)
            self.query_one(RunChart).draw_if_due()
            self.query_one(RunPanes).refresh_pane()

    # What keys do

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        watch = self.shared.monitor.watched
        going = watch is not None and watch.status not in OVER
        paused = watch is not None and watch.state.status == "paused"
        if action == "ask":
            if not going or (parameters[0] in {"pause", "continue"} and (parameters[0] == "continue") != paused):
                return False
            # Before the first step there is nothing to hold, save or evaluate.
            return True if watch is not None and "training" in watch.state.progress else None
        if action in {"detach", "stop"}:
            return going
        if action == "resume":
            end = self._ending(watch) if watch is not None else None
            return end is not None and end.can_resume
        if action == "before_after":
            end = self._ending(watch) if watch is not None and not going else None
            return end is not None and end.can_chat
        if action == "filter":
            return watch is not None and super().check_action(action, parameters)
        if action == "afterwards":
            end = self._ending(watch) if watch is not None else None
            return end is not None and afterwards.is_possible(str(parameters[0]), end)
        if action == "export":
            return watch is not None and not going
        if action == "chart":
            return watch is not None and watch.state.has_points
        if action == "drop_cursor":
            return self.is_mounted and self.query_one(RunChart).has_cursor
        return True

    def action_export(self) -> None:
        if (watch := self.shared.monitor.watched) is not None:
            self.shared.host.export(watch.run)

    def action_ask(self, action: Action) -> None:
        """Leave a request for the run; it is obeyed after the step that is going on."""
        watch = self.shared.monitor.watched
        if watch is None:
            return
        if action == "evaluate" and self._config is not None and self._config.validation_split == 0:
            self.notify("There are no rows to evaluate on: validation_split is 0.", severity="warning", markup=False)
            return
        if (request := self.shared.monitor.request(action)) is not None:
            self._asked = (action, request)
            self._show_heading(watch)

    def action_resume(self) -> None:
        if (watch := self.shared.monitor.watched) is not None:
            self.shared.monitor.resume(watch.run)

    def action_before_after(self) -> None:
        if (watch := self.shared.monitor.watched) is not None:
            self.shared.compare_before_and_after(str(watch.run.path))

    def action_afterwards(self, deed: str) -> None:
        """What can be done when a run is over."""
        if (watch := self.shared.monitor.watched) is not None:
            afterwards.do(deed, self.app, self.shared, watch.run, self._verdict(watch))

    def action_stop(self) -> None:
        self.shared.leaving.interrupt()

    def action_detach(self) -> None:
        self.shared.leaving.detach_if_going()

    def action_filter(self) -> None:
        self.query_one(RunPanes).filter_log()

    def action_next_pane(self) -> None:
        self.query_one(RunPanes).next_pane()

    def action_perplexity(self) -> None:
        if self._config is not None and self._config.task != "sft":
            self.notify("Learning preferences has no perplexity.", timeout=3, markup=False)
            return
        self._perplexity = not self._perplexity
        if (watch := self.shared.monitor.watched) is not None:
            self._show_numbers(watch.state)

    def action_chart(self, command: str) -> None:
        self.query_one(RunChart).command(command)

    def action_drop_cursor(self) -> None:
        self.query_one(RunChart).drop_cursor()
