"""What is known about one data set: its facts and problems, the lengths of its texts, and its first rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Container, Horizontal, Vertical, VerticalScroll
from textual.widgets import Static

from tui_finetune.data.file_kinds import place_in
from tui_finetune.errors import UserError
from tui_finetune.planning.dataset import Findings
from tui_finetune.system.terminal import printable
from tui_finetune.tui.screens.dataset.describe import (
    TokenStyles,
    example_text,
    facts_of,
    mapping_in_words,
    packed_in_words,
    packed_text,
    problems_of,
    tokens_in_words,
    tokens_text,
)
from tui_finetune.tui.theme import rich_style
from tui_finetune.tui.widgets.facts import Facts
from tui_finetune.tui.widgets.filter_list import CHOSEN

if TYPE_CHECKING:
    from tui_finetune.data.previewed import Preview
    from tui_finetune.data.problems import Problem

NARROW, LOW = 80, 30
"""Columns and rows of the screen below which not all of it fits."""

WIDE = 110
"""Columns from which on there is room for the histogram."""

LABEL_WIDTH = 9


class DataAbout(VerticalScroll):
    """A name, facts and problems, and the rows, one at a time: as they are read, as tokens, or packed with others.

    Attributes:
        findings: what is shown; None while nothing is known.
    """

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id, can_focus=False)
        self.findings: Findings | None = None
        self._row = self._problem = 0
        self._view = "text"

    def compose(self) -> ComposeResult:
        yield Static(id="name", markup=False)
        yield Static(id="origin", markup=False)
        yield Static(id="trouble", markup=False)
        with Horizontal(id="numbers"):
            yield Facts(id="facts")
            yield Vertical(id="chart")
        yield Facts(id="problems")
        yield Static(id="row-head", markup=False)
        with VerticalScroll(id="row-view"), Container(id="replies"):
            yield Static(id="row", markup=False)
            yield Static(id="other-row", markup=False)

    @property
    def _preview(self) -> Preview | None:
        return self.findings.preview if self.findings else None

    # What it says

    def show_words(self, name: str, origin: str, progress: str = "") -> None:
        """Show a name and a line about it, and nothing else but how far looking into it is."""
        self.findings = None
        self.query_one("#name", Static).update(name)
        self._show_origin(origin)
        self.show_trouble(None)
        self.query_one("#facts", Facts).show([])
        self.query_one("#problems", Facts).display = False
        self._put_row(Text(progress), "")
        self._draw_lengths()

    def show_progress(self, words: str) -> None:
        """Say how far looking into it is, where the rows will stand."""
        self.query_one("#row-head", Static).update(words)

    def show_trouble(self, error: UserError | None) -> None:
        """Say what is wrong with it; nothing where nothing is."""
        trouble = self.query_one("#trouble", Static)
        trouble.display = error is not None
        if error is not None:
            trouble.update("\n".join(part for part in (f"✗ {error.message}", error.remedy) if part))

    def _show_origin(self, words: str) -> None:
        origin = Text(words)
        if words.startswith(CHOSEN):
            origin.stylize(rich_style(self.app, "accent"), 0, len(f"{CHOSEN} chosen"))
        self.query_one("#origin", Static).update(origin)

    def show(self, name: str, origin: str, findings: Findings, summary: str = "") -> None:
        """Show what was found out.

        Args:
            name: the data set.
            origin: a few words on where it is from, or whether it is chosen.
            findings: what was found out.
            summary: a line on what it is, shown where there is room.
        """
        roomy = summary and self.screen.size.height >= LOW
        self.show_words(name, f"{origin} · {summary}" if roomy else origin)
        self.findings = findings
        self._problem = 0
        if findings.problem is not None:
            self.show_trouble(findings.problem)
            if findings.columns:
                columns = "\n".join(f"{name}  ({holds})" for name, holds in findings.columns[:12])
                self.query_one("#facts", Facts).show([("Columns", columns)])
        elif findings.preview is not None:
            # The row that is read stays in view where more is found out about the same data.
            self._row = min(self._row, max(len(findings.preview.examples) - 1, 0))
            self._show_facts(findings, findings.preview)
            self._show_row()
            self._draw_lengths()

    def _show_facts(self, findings: Findings, preview: Preview) -> None:
        facts = [("Format", f"{preview.format}: {preview.reason}")]
        if len(findings.columns) > 1:
            facts.append(("Columns", f"{mapping_in_words(preview.mapping, preview.unused)}  (c changes it)"))
        facts += facts_of(preview, findings.lengths_problem)
        self.query_one("#facts", Facts).show(facts, label_width=LABEL_WIDTH)
        problems = problems_of(preview)
        view = self.query_one("#problems", Facts)
        view.display = bool(problems)
        if problems:
            view.show([(f"! {place}".strip(), words) for place, words in problems], label_width=LABEL_WIDTH)

    # The rows

    def turn(self, by: int) -> None:
        """Show another of the first rows."""
        preview = self._preview
        if preview is not None and preview.examples:
            self._row = min(max(self._row + by, 0), len(preview.examples) - 1)
            self._show_row()
            self._go_to_row()

    def next_view(self) -> None:
        """Show the row in the next of its ways."""
        preview = self._preview
        if preview is not None:
            views, view = self._views(preview)
            self._view = views[(views.index(view) + 1) % len(views)]
            self._show_row()
            self._go_to_row()

    def next_problem(self) -> Problem | None:
        """The next problem that has a row, in turn."""
        preview = self._preview
        placed = [problem for problem in preview.problems if problem.row] if preview else []
        if not placed:
            return None
        self._problem += 1
        return placed[(self._problem - 1) % len(placed)]

    def show_problem(self, problem: Problem, line: str) -> None:
        """Show a row with a problem.

        Args:
            problem: what is wrong with it.
            line: the row as it stands in its file.
        """
        place = place_in(problem.file, problem.row) if problem.row is not None else ""
        head = Text.assemble(
            (f"{Path(problem.file).name}, {place}", "bold"),
            (f"  {problem.message}; {problem.remedy}", "dim"),
        )
        self._put_row(head, printable(line) or "It can't be shown here.")
        self._go_to_row()

    def _views(self, preview: Preview) -> tuple[list[str], str]:
        """The ways in which a row can be shown, and the one in which it is."""
        views = ["text", *(["tokens"] if preview.example_tokens else []), *(["packed"] if preview.packed_row else [])]
        return views, self._view if self._view in views else "text"

    def _show_row(self) -> None:
        preview = self._preview
        if preview is None or not preview.examples:
            return
        views, view = self._views(preview)
        head, content = self._row_in_view(preview, view)
        keys = ["n b row"] if len(preview.examples) > 1 and view != "packed" else []
        keys += [f"t {views[(views.index(view) + 1) % len(views)]}"] if len(views) > 1 else []
        room = self.query_one("#row-head", Static).size.width or 80
        while len(keys) > 1 and head.cell_len + 3 + len(", ".join(keys)) > room:
            keys.pop(0)  # on one line, if it can be
        head.append("   " + ", ".join(keys), "dim")
        self._put_row(head, content, self._other_reply(preview, view))

    def _row_in_view(self, preview: Preview, view: str) -> tuple[Text, Text]:
        """A line about the row, and the row itself."""
        if view == "packed":
            head = Text.assemble(("A packed row", "bold"), (f"  {packed_in_words(preview)}", "dim"))
            return head, packed_text(preview.packed_row, self._token_styles())
        head = Text.assemble((f"Row {self._row + 1}", "bold"))
        if view == "text":
            head.append(f"  of the first {len(preview.examples)}", "dim")
            if preview.good:
                head.append(f", a {'good' if preview.good[self._row] else 'bad'} reply", "dim")
            return head, example_text(preview.examples[self._row])
        tokens = preview.example_tokens[self._row]
        head.append(f"  {tokens_in_words(tokens)}" if tokens else "  is left out: nothing of it is trained on", "dim")
        return head, tokens_text(tokens, self._token_styles())

    def _other_reply(self, preview: Preview, view: str) -> Text | None:
        """The worse reply to the row's prompt, where there are two."""
        if view == "text" and preview.rejected:
            return example_text(preview.rejected[self._row])
        if view == "tokens" and preview.rejected_tokens and preview.rejected:
            return tokens_text(preview.rejected_tokens[self._row], self._token_styles())
        return None

    def _put_row(self, head: Text, content: Text | str, other: Text | None = None) -> None:
        """Show a row, and beside it, or below where there is no room, the reply that it is compared with."""
        self.query_one("#row-head", Static).update(head)
        self.query_one("#replies").set_class(other is not None, "-pair")
        if other is not None and isinstance(content, Text):
            content = Text.assemble(("chosen", "bold"), "\n", content)
            other = Text.assemble(("rejected", "bold"), "\n", other)
        self.query_one("#row", Static).update(content)
        self.query_one("#other-row", Static).update(other or "")
        self.query_one("#row-view", VerticalScroll).scroll_home(animate=False)

    def _token_styles(self) -> TokenStyles:
        colors = self.app.theme_variables
        return TokenStyles(
            trained=f"{colors['foreground']} underline",
            read="dim",
            special=f"bold {colors['accent']}",
            second=colors["panel"],
        )

    # Room

    def _go_to_row(self) -> None:
        """Scroll to the row where it is out of sight; nothing moves where all of it is in view."""
        self.add_class("-at-row")
        self.call_after_refresh(lambda: self.query_one("#row-head").scroll_visible(animate=False, top=True))

    def begin_at_top(self) -> None:
        """Other data is looked at: its facts come first again, and its first row."""
        self._row = 0
        self.remove_class("-at-row")

    def fit(self) -> None:
        """The screen has another size: where not all of it fits, tab goes there, and the arrows scroll."""
        size = self.screen.size
        self.query_one("#replies").set_class(size.width < WIDE, "-stacked")
        self.can_focus = size.width < NARROW or size.height < LOW
        self.call_after_refresh(self._draw_lengths)

    def _draw_lengths(self) -> None:
        """The histogram, where there is room for it; plotext is imported when it is first drawn."""
        holder = self.query_one("#chart", Vertical)
        preview = self._preview
        wanted = preview is not None and len(preview.token_lengths) > 1 and self.screen.size.width >= WIDE
        holder.display = wanted
        if not wanted or preview is None:
            return
        from tui_finetune.tui.screens.dataset.histogram import LengthHistogram

        if not holder.children:
            holder.mount(Static("Tokens in a row", id="chart-head", markup=False), LengthHistogram())
            self.call_after_refresh(self._draw_lengths)
            return
        self.query_one(LengthHistogram).show(preview.token_lengths, preview.max_length)
