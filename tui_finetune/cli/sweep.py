"""`finetune-tui sweep`: a grid of settings as runs in the queue."""

from __future__ import annotations

import uuid
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from typing import TYPE_CHECKING

from tui_finetune.cli.flags import add_config_file, add_settings, given_settings, resolved_from
from tui_finetune.cli.output import write_line
from tui_finetune.cli.tables import table
from tui_finetune.errors import UserError

if TYPE_CHECKING:
    from tui_finetune.config.resolve import Resolved

HELP = "Queue a run for each combination of settings that have several values, with commas between them."


def add_arguments(parser: ArgumentParser) -> None:
    add_config_file(parser)
    parser.add_argument("--dry-run", action="store_true", help="show the runs and stop")
    add_settings(parser)


def run(arguments: Namespace) -> int:
    from tui_finetune.config.grid import grid
    from tui_finetune.planning.precheck import precheck
    from tui_finetune.runs.queue import Queue
    from tui_finetune.training.queue import queued_here

    found = grid(given_settings(arguments))
    sweep = uuid.uuid4().hex
    runs = []
    for number, varied in enumerate(found.varied, 1):
        resolved = resolved_from(arguments, **found.fixed, **varied)
        precheck(resolved.config)
        runs.append(queued_here(_of_its_own(resolved, number), varied, sweep))
    for line in _table(found.varied):
        write_line(line)
    count = f"{len(runs)} runs"
    if arguments.dry_run:
        write_line(f"{count}; nothing was queued")
        return 0
    Queue().add(runs)
    write_line(f"{count} are in the queue; `finetune-tui queue` trains them, one after the other")
    return 0


def _table(varied: tuple[Mapping[str, str], ...]) -> list[str]:
    keys = list(varied[0])
    rows = [(str(number), *(run[key] for key in keys)) for number, run in enumerate(varied, 1)]
    return table(("", *keys), rows, right=frozenset({0}))


def _of_its_own(resolved: Resolved, number: int) -> Resolved:
    """The same, its directory told from those of the other runs of the sweep."""
    from dataclasses import replace

    if resolved.config.final_model_dir is not None:
        raise UserError(
            "final_model_dir is one folder, and each run of a sweep has a final model",
            "leave it out; each goes into its run's directory",
            "final_model_dir",
        )
    if resolved.config.output_dir is None:
        return resolved
    directory = f"{resolved.config.output_dir.rstrip('/')}-{number}"
    return replace(resolved, config=resolved.config.model_copy(update={"output_dir": directory}))
