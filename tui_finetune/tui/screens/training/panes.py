"""What stands below the chart: samples, log, health and checkpoints of a run, and what libraries printed."""

from __future__ import annotations

import time
from pathlib import Path

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import ContentSwitcher, Input, Static, Tab, Tabs

from tui_finetune.errors import Notice
from tui_finetune.formatting import duration, size
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.events import CheckpointEvent
from tui_finetune.runs.state import RunState
from tui_finetune.runs.verdict import Verdict
from tui_finetune.system.tail import tail_lines
from tui_finetune.tui.screens.training.samples import SamplesPane
from tui_finetune.tui.widgets.progress import MUTED

SHOWN = 50
"""Samples, notices and checkpoints that are listed, the newest ones."""

_MARKS = {
    "good": ("✓", "$success"), "info": ("·", MUTED), "warning": ("!", "$warning"), "error": ("✗", "$error"),
}  # fmt: skip


def _notice_content(notice: Notice) -> Content:
    mark, style = _MARKS[notice.level]
    remedy = Content.styled(f"  → {notice.remedy}", MUTED) if notice.remedy else Content("")
    return Content.assemble((f"{mark} ", style), notice.message, remedy)


def health_content(state: RunState, verdict: Verdict) -> Content:
    """Findings and what the run itself has noticed, worst first."""
    findings: list[Notice] = [*verdict.findings, *notices_of(state)]
    if not findings:
        return Content.styled("Nothing to say yet; after some logged losses this tells how it goes.", MUTED)
    order = list(reversed(_MARKS))
    findings.sort(key=lambda finding: order.index(finding.level) if finding.level in order[:2] else 2)
    return Content("\n").join(_notice_content(finding) for finding in findings)


def notices_of(state: RunState) -> list[Notice]:
    """The run's newest notices, each once."""
    return list({event.notice.message: event.notice for event in state.notices[-SHOWN:]}.values())


def checkpoints_content(checkpoints: list[CheckpointEvent], run: Path) -> Content:
    """The checkpoints, newest first, and which of them are still there."""
    lines = []
    for saved in reversed(checkpoints[-SHOWN:]):
        there = (run / saved.path).is_dir()
        facts = "   ".join(
            [
                f"{size(saved.bytes):>8}" if saved.bytes is not None else "",
                f"saved in {duration(saved.seconds)}" if saved.seconds is not None else "",
                "" if there else "deleted since",
            ]
        ).rstrip()
        best = ("  ★ best then" if saved.best else "", "$success")
        lines.append(Content.assemble((f"step {saved.step:>6}", "" if there else MUTED), (facts, MUTED), best))
    return (
        Content("\n").join(lines)
        if lines
        else Content.styled("No checkpoint yet. s saves one after the current step.", MUTED)
    )


def output_content(lines: list[str]) -> Content:
    """The end of what libraries printed."""
    return Content("\n").join(map(Content, lines)) if lines else Content.styled("Nothing has been printed.", MUTED)


def log_content(state: RunState, words: str) -> Content:
    """What happened, newest first, with the time of day; only lines that have all of some words."""
    wanted = words.lower().split()
    lines = []
    for line in reversed(state.story):
        if all(word in f"{line.words} {line.remedy}".lower() for word in wanted):
            at = time.strftime("%H:%M:%S  ", time.localtime(line.time)) if line.time is not None else ""
            lines.append(Content.assemble((at, MUTED), _notice_content(Notice(line.level, line.words, line.remedy))))
    if not lines:
        return Content.styled("No line has these words." if wanted else "Nothing has happened yet.", MUTED)
    return Content("\n").join(lines)


class RunPanes(Vertical):
    """The five panes, of which only the one that can be seen is kept up to date."""

    NAMES = ("samples", "log", "health", "checkpoints", "output")

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._run: RunDirectory | None = None
        self._state: RunState | None = None
        self._verdict = Verdict()
        self._shown: dict[str, object] = {}

    def compose(self) -> ComposeResult:
        yield Tabs(*(Tab(name.capitalize(), id=f"tab-{name}") for name in self.NAMES), id="pane-tabs")
        with ContentSwitcher(initial="samples"):
            yield SamplesPane(id="samples")
            for name in self.NAMES[1:]:
                with VerticalScroll(id=name):
                    if name == "log":
                        yield Input(placeholder="/ to filter", id="log-filter", compact=True)
                    yield Static("", id=f"{name}-text", markup=False)

    @property
    def current(self) -> str:
        """The name of the pane in front."""
        return self.query_one(ContentSwitcher).current or "samples"

    def show_run(self, run: RunDirectory, state: RunState, verdict: Verdict) -> None:
        """Show a run, or what is new in it."""
        if state is not self._state:
            self._shown = {}
        self._run, self._state, self._verdict = run, state, verdict
        self._label("samples", len(state.samples))
        self._label("checkpoints", len(state.checkpoints))
        self.refresh_pane()

    def _label(self, name: str, count: int) -> None:
        label = f"{name.capitalize()} {count}" if count else name.capitalize()
        tab = self.query_one(f"#tab-{name}", Tab)
        if tab.label_text != label:
            tab.label = Content(label)

    def next_pane(self) -> None:
        self.query_one(Tabs).action_next_tab()

    def filter_log(self) -> None:
        """Show the log, with the focus on its filter."""
        self.query_one(Tabs).active = "tab-log"
        self.query_one("#log-filter", Input).focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self.refresh_pane()

    def on_tabs_tab_activated(self, event: Tabs.TabActivated) -> None:
        event.stop()
        if event.tab is not None and event.tab.id is not None:
            self.query_one(ContentSwitcher).current = event.tab.id.removeprefix("tab-")
            self.refresh_pane()

    def refresh_pane(self) -> None:
        """Bring the pane in front up to date, if what it shows has changed."""
        run, state = self._run, self._state
        if run is None or state is None:
            return
        name = self.current
        what = self._what_matters(name, run, state)
        if self._shown.get(name) == what:
            return
        self._shown[name] = what
        if name == "samples":
            self.query_one(SamplesPane).show(list(state.samples))
            return
        if name == "health":
            content = health_content(state, self._verdict)
        elif name == "checkpoints":
            content = checkpoints_content(state.checkpoints, run.path)
        elif name == "log":
            content = log_content(state, self.query_one("#log-filter", Input).value)
        else:
            content = output_content(tail_lines(run.log_path))
        self.query_one(f"#{name}-text", Static).update(content)
        if name == "output":
            self.query_one(f"#{name}", VerticalScroll).scroll_end(animate=False)

    def _what_matters(self, name: str, run: RunDirectory, state: RunState) -> object:
        """Changes when what the pane shows may have changed."""
        if name == "samples":
            return len(state.samples)
        if name == "health":
            return self._verdict, len(state.notices)
        if name == "log":
            return (
                len(state.story),
                state.story[-1] if state.story else None,
                self.query_one("#log-filter", Input).value,
            )
        if name == "checkpoints":
            return len(state.checkpoints), state.checkpoints[-1].step if state.checkpoints else None
        try:
            log = run.log_path.stat()
            return log.st_size, log.st_mtime_ns
        except OSError:
            return None
