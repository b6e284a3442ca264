"""What stands below the chart: samples, log, health and checkpoints of a run."""

from __future__ import annotations

from pathlib import Path

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import ContentSwitcher, Static, Tab, Tabs

from tui_finetune.errors import Notice
from tui_finetune.formatting import duration, size
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.events import CheckpointEvent, SampleEvent
from tui_finetune.runs.state import RunState
from tui_finetune.runs.verdict import Verdict
from tui_finetune.system.tail import tail_lines
from tui_finetune.tui.widgets.progress import MUTED

SHOWN = 50
"""Samples, notices and checkpoints that are listed, the newest ones."""

_MARKS = {
    "good": ("✓", "$success"), "info": ("·", MUTED), "warning": ("!", "$warning"), "error": ("✗", "$error"),
}  # fmt: skip


def samples_content(samples: list[SampleEvent]) -> Content:
    """The samples, newest first: what the model was given, and how it went on."""
    blocks = []
    for sample in reversed(samples[-SHOWN:]):
        # Whether the text repeats its prompt depends on who wrote it; a reader wants it once.
        rest = sample.text.removeprefix(sample.prompt)
        blocks.append(
            Content.assemble((f"step {sample.step}  ", MUTED), (sample.prompt, "bold $primary"), rest.rstrip())
        )
    return (
        Content("\n\n").join(blocks)
        if blocks
        else Content.styled("No samples yet. g writes one with the model as it is now.", MUTED)
    )


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


def log_content(state: RunState, lines: list[str]) -> Content:
    """The run's notices, then the end of what libraries printed."""
    told = [_notice_content(notice) for notice in notices_of(state)]
    told += [Content(line) for line in lines]
    return Content("\n").join(told) if told else Content.styled("Nothing has been printed.", MUTED)


class RunPanes(Vertical):
    """The four panes, of which only the one that can be seen is kept up to date."""

    NAMES = ("samples", "log", "health", "checkpoints")

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._run: RunDirectory | None = None
        self._state: RunState | None = None
        self._verdict = Verdict()
        self._shown: dict[str, object] = {}

    def compose(self) -> ComposeResult:
        yield Tabs(*(Tab(name.capitalize(), id=f"tab-{name}") for name in self.NAMES), id="pane-tabs")
        with ContentSwitcher(initial="samples"):
            for name in self.NAMES:
                with VerticalScroll(id=name):
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
            content = samples_content(state.samples)
        elif name == "health":
            content = health_content(state, self._verdict)
        elif name == "checkpoints":
            content = checkpoints_content(state.checkpoints, run.path)
        else:
            content = log_content(state, tail_lines(run.log_path))
        self.query_one(f"#{name}-text", Static).update(content)
        if name == "log":
            self.query_one("#log", VerticalScroll).scroll_end(animate=False)

    def _what_matters(self, name: str, run: RunDirectory, state: RunState) -> object:
        """Changes when what the pane shows may have changed."""
        if name == "samples":
            return len(state.samples)
        if name == "health":
            return self._verdict, len(state.notices)
        if name == "checkpoints":
            return len(state.checkpoints), state.checkpoints[-1].step if state.checkpoints else None
        try:
            log = run.log_path.stat()
            return len(state.notices), log.st_size, log.st_mtime_ns
        except OSError:
            return len(state.notices)
