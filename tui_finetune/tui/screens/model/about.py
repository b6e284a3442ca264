"""What is known about one model, as the Model screen shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from tui_finetune.errors import UserError
from tui_finetune.formatting import size
from tui_finetune.tui.screens.model.describe import hindrance, meaning_of_size, rows_of_facts
from tui_finetune.tui.screens.model.download import Download
from tui_finetune.tui.theme import rich_style
from tui_finetune.tui.widgets.facts import Facts
from tui_finetune.tui.widgets.filter_list import CHOSEN
from tui_finetune.tui.widgets.fitted import Fitted
from tui_finetune.tui.widgets.memory_bar import memory_bar, memory_legend
from tui_finetune.tui.widgets.progress import ProgressLine

if TYPE_CHECKING:
    from tui_finetune.models.facts import ModelFacts
    from tui_finetune.planning.estimate import Estimate
    from tui_finetune.planning.fit import Fit

ELSEWHERE = (
    "Not on this machine. f fetches the small files that say what it is, d downloads all of it; chosen, it is downloaded "
    "when training starts."
)


class ModelAbout(VerticalScroll):
    """A name, what a model of this size is good for, the facts, and whether training it fits."""

    def compose(self) -> ComposeResult:
        yield Static(id="name", markup=False)
        yield Static(id="origin", markup=False)
        yield Static(id="meaning", markup=False)
        yield Static(id="trouble", markup=False)
        yield ProgressLine(id="download")
        yield Facts(id="fit")  # first: it is what one looks for, also where there is room for little
        yield Facts(id="facts")
        yield Fitted(id="memory")

    def on_mount(self) -> None:
        self.show_download(None)

    def show_download(self, progress: Download | None) -> None:
        """Show how far a download is; None where none is under way."""
        line = self.query_one("#download", ProgressLine)
        line.display = progress is not None
        if progress is None:
            return
        counts = f"{size(progress.done)} / {size(progress.total)}" if progress.total else size(progress.done)
        share = progress.done / progress.total if progress.total else None
        line.show(share, f"{counts}  d stops it", label="stopping" if progress.cancelled else "downloading")

    def show_head(self, name: str, where: str, *, chosen: bool) -> None:
        """Name the model.

        Args:
            name: its name.
            where: where it is, in a few words.
            chosen: whether it is the one that is chosen.
        """
        accent = rich_style(self.app, "accent")
        line = Text.assemble(
            (f"{CHOSEN} chosen", accent) if chosen else "enter chooses it", f" · {where}" if where else ""
        )
        self.query_one("#name", Static).update(name)
        self.query_one("#origin", Static).update(line)

    def show_words(self, name: str, line: str, words: str = "") -> None:
        """Show something that is no model."""
        self.query_one("#name", Static).update(name)
        self.query_one("#origin", Static).update(line)
        self.show_only(words)

    def show_only(self, words: str) -> None:
        """Put a few words in the place of the facts."""
        self._show_meaning(words)
        self.show_trouble("")
        self.query_one("#facts", Facts).show([])
        self.show_fit(None)

    def _show_meaning(self, words: str) -> None:
        meaning = self.query_one("#meaning", Static)
        meaning.update(words)
        meaning.display = bool(words)

    def show_trouble(self, words: str) -> None:
        """Say what is wrong with it; nothing where nothing is."""
        trouble = self.query_one("#trouble", Static)
        trouble.update(f"✗ {words}" if words else "")
        trouble.display = bool(words)

    def show_error(self, error: UserError) -> None:
        """Show why nothing is known about it."""
        self.show_only("")
        self.show_trouble(f"{error.message}\n{error.remedy}")

    def show_facts(self, facts: ModelFacts | None) -> None:
        """Show the facts; None for a model that is only on the hub."""
        if facts is None:
            self.show_only(ELSEWHERE)
            return
        why_not = hindrance(facts)
        self._show_meaning("" if why_not else meaning_of_size(facts))
        self.show_trouble(why_not)
        self.query_one("#facts", Facts).show(rows_of_facts(facts))

    def show_fit(self, fit: Fit | None) -> None:
        """Say by which method it would be trained, and whether that fits; None while that is not known."""
        rows: list[tuple[str, Text]] = []
        if fit is not None:
            words = self._marked(fit.fits, fit.words)
            rows = [("Method", Text(fit.method))] if fit.method else []
            rows.append(("Training it", words))
            rows += [(way.name, self._marked(way.rows > 0, way.words())) for way in fit.ways]
        self.query_one("#fit", Facts).show(rows)
        self._show_memory(fit.estimate if fit is not None else None)

    def _marked(self, fits: bool, words: str) -> Text:
        text = Text(f"{'✓' if fits else '✗'} {words}")
        text.stylize(rich_style(self.app, "success" if fits else "error"), 0, 1)
        return text

    def _show_memory(self, estimate: Estimate | None) -> None:
        """The memory of training it with the settings as they are, as a bar."""
        bar = self.query_one("#memory", Fitted)
        bar.display = estimate is not None
        if estimate is not None:
            bar.fit(lambda width: Content("\n").join([memory_bar(estimate, width), memory_legend(estimate, width)]))
