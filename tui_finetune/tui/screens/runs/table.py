"""The table of runs."""

from __future__ import annotations

from pathlib import Path

from rich.console import JustifyMethod
from rich.text import Text
from textual.binding import Binding
from textual.widgets import DataTable

from tui_finetune.formatting import ago
from tui_finetune.runs.status import WRONG, mark, word
from tui_finetune.runs.summary import RunSummary
from tui_finetune.system.paths import short_path
from tui_finetune.tui.theme import STATUS_STYLES
from tui_finetune.tui.widgets.lines import LETTERS

TITLES = ("Run", "Status", "Step", "Best eval", "When", "Model", "Data set", "Folder")
_SHORTEST_NAME = 14
_PADDING = 2


def elsewhere(summary: RunSummary) -> str:
    """The folder that a run is in, where that is not the one of the runs here."""
    folder = Path(summary.path).parent
    return "" if folder == Path.cwd() / "runs" else short_path(folder)


class RunsTable(DataTable[Text]):
    """Runs, a row each, in as many columns as there is room for; what is in the names is only ever text."""

    BINDINGS = [
        Binding("enter", "select_cursor", "Open", id="runs.open", tooltip="Show the run on the Training screen"),
    ]

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id, cursor_type="row", zebra_stripes=False)
        self._summaries: list[RunSummary] = []
        self._told: tuple[list[RunSummary], float] = ([], 0.0)
        self._drawn: object = None
        self.marked: list[str] = []

    @property
    def summaries(self) -> list[RunSummary]:
        """What is listed, in its order."""
        return self._summaries

    @property
    def selected(self) -> RunSummary | None:
        """The run under the cursor."""
        row = self.cursor_row
        return self._summaries[row] if 0 <= row < len(self._summaries) else None

    def show(self, summaries: list[RunSummary], now: float) -> None:
        """List these runs. The cursor stays on its run.

        Args:
            summaries: the runs, in order.
            now: Unix seconds from which their age is told.
        """
        self._told = summaries, now
        self._fill()

    def on_resize(self) -> None:
        self._fill()

    def _fill(self) -> None:
        summaries, now = self._told
        width = self.size.width
        rows = [self._cells(summary, now) for summary in summaries]
        drawn: object = (width, self.app.theme, [[cell.plain for cell in row] for row in rows])
        if drawn == self._drawn or width == 0:
            return
        self._drawn = drawn
        under = self.selected.path if self.selected is not None else None
        self._summaries = summaries
        titles = list(TITLES)
        shown, name_width = self._columns(titles, rows, width)
        self.clear(columns=True)
        for column in shown:
            justify: JustifyMethod = "right" if titles[column] in {"Step", "Best eval"} else "left"
            self.add_column(
                Text(titles[column], justify=justify, no_wrap=True),
                key=titles[column],
                width=name_width if column == 0 else None,
            )
        for summary, row in zip(summaries, rows, strict=True):
            self.add_row(*(row[column] for column in shown), key=summary.path)
        paths = [summary.path for summary in summaries]
        if under in paths:
            self.move_cursor(row=paths.index(under), animate=False)

    def _mark(self, summary: RunSummary) -> str:
        """The letter of a run that is marked, with room for it beside the others where any is."""
        if not self.marked:
            return ""
        return f"{LETTERS[self.marked.index(summary.path)]} " if summary.path in self.marked else "  "

    def toggle_mark(self) -> None:
        """Mark the run under the cursor for comparing, or no longer."""
        if (run := self.selected) is None:
            return
        if run.path in self.marked:
            self.marked.remove(run.path)
        elif len(self.marked) < len(LETTERS):
            self.marked.append(run.path)
        self._fill()

    def _columns(self, titles: list[str], rows: list[list[Text]], width: int) -> tuple[list[int], int]:
        """Which columns are shown, and how wide the names are: the last columns give way first, then the names."""
        natural = [max([len(title), *(row[n].cell_len for row in rows)]) + _PADDING for n, title in enumerate(titles)]
        folders = any(row[7].plain for row in rows)
        first = [[0, 1, 2, 3, 4, 5, 6, 7], [0, 1, 2, 3, 4, 7], [0, 1, 3, 7]] if folders else []
        for order in (*first, [0, 1, 2, 3, 4, 5, 6], [0, 1, 2, 3, 4], [0, 1, 3, 4], [0, 1, 3], [0, 1]):
            rest = sum(natural[n] for n in order[1:])
            wanted = natural[0] if len(order) > 5 else min(natural[0], _SHORTEST_NAME + 6 + _PADDING)
            if rest + wanted <= width:
                return order, min(natural[0], width - rest) - _PADDING
        return [0], max(min(natural[0], width) - _PADDING, 1)

    def _cells(self, summary: RunSummary, now: float) -> list[Text]:
        wrong = summary.went_wrong and summary.status in {"finished", "stopped"}
        style = "$error" if wrong else STATUS_STYLES.get(summary.status, "$accent")
        told = f"{mark('failed')} {WRONG}" if wrong else f"{mark(summary.status)} {word(summary.status)}"
        color = self.app.theme_variables.get(style.removeprefix("$"), "")
        total = f" / {summary.total_steps:,}" if summary.total_steps else ""
        best = f"{summary.best_eval_loss:.3f}" if summary.best_eval_loss is not None else "–"
        cells = [
            Text(f"{self._mark(summary)}{summary.name}"),
            Text(told, style=color),
            Text(f"{summary.step:,}{total}", justify="right"),
            Text(best, justify="right"),
            Text(ago(now - summary.updated)),
            Text(summary.shown_model),
            Text(summary.shown_dataset),
            Text(elsewhere(summary)),
        ]
        for cell in cells:
            cell.no_wrap, cell.overflow = True, "ellipsis"
        return cells
