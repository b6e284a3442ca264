"""`finetune-tui runs`: lists the runs."""

from __future__ import annotations

import json
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tui_finetune.cli.output import write_line
from tui_finetune.cli.tables import table
from tui_finetune.formatting import ago
from tui_finetune.runs.status import WRONG

if TYPE_CHECKING:
    from tui_finetune.runs.summary import RunSummary

HELP = "List the runs."


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="as a JSON list")


def run(arguments: Namespace) -> int:
    from tui_finetune.runs import registry
    from tui_finetune.runs.summary import summarize

    summaries = [summarize(run) for run in registry.known_runs()]
    if arguments.json:
        write_line(json.dumps([summary.to_json() for summary in summaries], indent=1))
    elif not summaries:
        write_line("no runs yet; `finetune-tui train` starts one")
    else:
        for line in runs_table(summaries, time.time()):
            write_line(line)
    return 0


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
        status = WRONG if run.went_wrong and run.status in {"finished", "stopped"} else run.status
        rows.append((run.name, run.shown_model, run.shown_dataset, status, step, best, ago(now - run.updated)))
    header = ("run", "model", "data set", "status", "step", "eval loss", "when")
    return table(header, rows, right=frozenset({4, 5}))
