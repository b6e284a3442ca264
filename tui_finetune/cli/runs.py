"""`finetune-tui runs`: lists the runs."""

from __future__ import annotations

import json
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tui_finetune.cli.output import write_line
from tui_finetune.cli.tables import table
from tui_finetune.errors import UserError
from tui_finetune.formatting import ago
from tui_finetune.runs.status import WRONG
from tui_finetune.system.paths import short_path

if TYPE_CHECKING:
    from tui_finetune.runs.summary import RunSummary

HELP = "List the runs; compare, rename or delete them."

_DEEDS = ("compare", "rename", "delete")


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("deed", nargs="?", choices=_DEEDS, metavar="compare, rename or delete",
                        help="compare A B ...; rename RUN NAME; delete RUN ...")  # fmt: skip
    parser.add_argument("runs", nargs="*", metavar="RUN", help="names or directories of runs")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument("--yes", action="store_true", help="delete without asking")


def run(arguments: Namespace) -> int:
    if arguments.deed == "compare":
        return compare_runs(arguments.runs, as_json=arguments.json)
    if arguments.deed == "rename":
        return rename(arguments.runs)
    if arguments.deed == "delete":
        return delete(arguments.runs, sure=arguments.yes)
    return list_runs(as_json=arguments.json)


def list_runs(*, as_json: bool) -> int:
    """Print all runs."""
    from tui_finetune.runs import registry
    from tui_finetune.runs.summary import summarize

    summaries = [summarize(run) for run in registry.known_runs()]
    if as_json:
        write_line(json.dumps([summary.to_json() for summary in summaries], indent=1))
    elif not summaries:
        write_line("no runs yet; `finetune-tui train` starts one")
    else:
        for line in runs_table(summaries, time.time()):
            write_line(line)
    return 0


def compare_runs(names: Sequence[str], *, as_json: bool) -> int:
    """Print what runs have come to beside each other, and the settings in which they differ."""
    from tui_finetune.runs.compare import compared, differing_settings, results
    from tui_finetune.runs.registry import find_run

    if len(names) < 2:
        raise UserError("two runs or more are compared", "`finetune-tui runs compare A B`")
    runs = [compared(find_run(name)) for name in names]
    differences = differing_settings(runs)
    if as_json:
        found = {key: dict(zip((run.run.name for run in runs), values, strict=True)) for key, values in differences}
        write_line(json.dumps({"runs": [run.to_json() for run in runs], "settings": found}, indent=1))
        return 0
    header = ("", *(run.run.name for run in runs))
    right = frozenset(range(1, len(header)))
    for line in table(header, [(label, *values) for label, values in results(runs)], right=right):
        write_line(line)
    write_line()
    if not differences:
        write_line("their settings are the same")
    else:
        for line in table(("settings", *header[1:]), [(key, *values) for key, values in differences], right=right):
            write_line(line)
    for run in runs:
        if run.verdict.headline:
            write_line(f"{run.run.name}: {run.verdict.headline}")
    return 0


def rename(names: Sequence[str]) -> int:
    """Give a run another name."""
    from tui_finetune.runs.naming import rename_run
    from tui_finetune.runs.registry import find_run

    if len(names) != 2:
        raise UserError("renaming takes a run and its new name", "`finetune-tui runs rename RUN NAME`")
    renamed = rename_run(find_run(names[0]), names[1])
    write_line(f"{names[0]} is {renamed.name} now, in {renamed.path}")
    return 0


def delete(names: Sequence[str], *, sure: bool) -> int:
    """Delete runs, each after asking unless that is not wanted."""
    from tui_finetune.formatting import size
    from tui_finetune.runs.registry import find_run
    from tui_finetune.runs.removal import delete_run, run_bytes

    if not names:
        raise UserError("no run is named", "`finetune-tui runs delete RUN`")
    runs = [find_run(name) for name in names]
    if not sure and not sys.stdin.isatty():
        raise UserError("deleting asks first, which takes a terminal", "add --yes to delete without being asked")
    for run in runs:
        if not sure:
            write_line(f"delete {run.name} in {run.path}, {size(run_bytes(run))}? This can't be undone. [y/N]")
            if input().strip().lower() not in {"y", "yes"}:
                write_line("kept")
                continue
        delete_run(run)
        write_line(f"{run.name} is deleted")
    return 0


def runs_table(summaries: Sequence[RunSummary], now: float) -> list[str]:
    """The runs, one a line.

    Args:
        summaries: the runs, in the order they are shown.
        now: Unix seconds.
    """
    rows: list[tuple[str, ...]] = []
    for run in summaries:
        step = f"{run.step}/{run.total_steps}" if run.total_steps else str(run.step)
        best = f"{run.best_eval_loss:.4f}" if run.best_eval_loss is not None else "-"
        status = WRONG if run.went_wrong and run.status in {"finished", "stopped"} else run.status
        rows.append((run.name, run.shown_model, run.shown_dataset, status, step, best, ago(now - run.updated)))
    header: tuple[str, ...] = ("run", "model", "data set", "status", "step", "eval loss", "when")
    folders = [elsewhere(run) for run in summaries]
    if any(folders):
        header = (*header, "folder")
        rows = [(*row, folder) for row, folder in zip(rows, folders, strict=True)]
    return table(header, rows, right=frozenset({4, 5}))


def elsewhere(run: RunSummary) -> str:
    """The folder that a run is in, where that is not the one of the runs here."""
    folder = Path(run.path).parent
    return "" if folder == Path.cwd() / "runs" else short_path(folder)
