"""Tables in plain text."""

from __future__ import annotations

from collections.abc import Sequence

from tui_finetune.formatting import ago
from tui_finetune.runs.summary import RunSummary
from tui_finetune.system.terminal import cell_width, printable


def table(header: Sequence[str], rows: Sequence[Sequence[str]], right: frozenset[int] = frozenset()) -> list[str]:
    """Lines of a table with aligned columns.

    Args:
        header: the columns' names.
        rows: their cells.
        right: the columns that are aligned to the right.
    """
    cells = [[printable(cell, lines=False) for cell in row] for row in (header, *rows)]
    widths = [max(cell_width(row[column]) for row in cells) for column in range(len(header))]

    def line(row: list[str]) -> str:
        parts = []
        for column, cell in enumerate(row):
            space = " " * (widths[column] - cell_width(cell))
            parts.append(space + cell if column in right else cell + space)
        return "  ".join(parts).rstrip()

    return [line(row) for row in cells]


def runs_table(summaries: Sequence[RunSummary], now: float) -> list[str]:
    """The runs, one a line.

    Args:
        summaries: the runs, in the order they are shown.
        now: Unix seconds.
    """
    rows = []
    for run in summaries:
        step = f"{run.step}/{run.total_steps}" if run.total_steps else str(run.step)
        best = f"{run.best_eval_loss:.4f}" if run.best_eval_loss is not None else "-"
        rows.append((run.name, run.shown_model, run.shown_dataset, run.status, step, best, ago(now - run.updated)))
    header = ("run", "model", "data set", "status", "step", "eval loss", "when")
    return table(header, rows, right=frozenset({4, 5}))
