"""`finetune-tui train`: trains without the app."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from tui_finetune.cli.flags import add_config_file, add_settings, resolved_from
from tui_finetune.errors import UserError
from tui_finetune.system.environment import several_here

HELP = "Train without the app; with no arguments, the starter on a sample data set."


def add_arguments(parser: ArgumentParser) -> None:
    add_config_file(parser)
    parser.add_argument("--json", action="store_true", help="write events to standard output, one JSON object a line")
    parser.add_argument("--dry-run", action="store_true", help="check everything and stop")
    parser.add_argument("--queue", action="store_true", help="put it at the end of the queue and stop")
    parser.add_argument(
        "--worker", metavar="RUN", help="train the run in that directory, as one process of as many as a launcher makes"
    )
    add_settings(parser)


def run(arguments: Namespace) -> int:
    if arguments.worker or several_here():
        return _train_as_worker(arguments)
    from tui_finetune.runs.directory import RunDirectory
    from tui_finetune.runs.naming import check_places, create_run, new_run_path

    resolved = resolved_from(arguments)
    if arguments.queue and not arguments.dry_run:
        from tui_finetune.cli.queue import enqueue

        return enqueue(resolved)
    directory = RunDirectory(new_run_path(resolved.config))
    if resolved.config.machine_rank > 0:
        from tui_finetune.training.launch import join_machine_0

        if resolved.config.output_dir is None:
            raise UserError(
                "machine 0 makes the run, and this one has to know where", "set output_dir on both", "output_dir"
            )
        return join_machine_0(directory, resolved)
    check_places(directory, resolved.config)  # refused here, before the seconds that the imports take
    if arguments.dry_run:
        from tui_finetune.cli.estimate import dry_run
        from tui_finetune.system.output import libraries_apart

        with libraries_apart():
            return dry_run(resolved, directory.path)
    from tui_finetune.cli.headless import train_new
    from tui_finetune.planning.precheck import precheck

    precheck(resolved.config)
    return train_new(create_run(resolved.config), resolved, json_output=arguments.json)


def _train_as_worker(arguments: Namespace) -> int:
    """Train as one of the processes that a launcher makes, each of which is given the same command."""
    from tui_finetune.runs.directory import RunDirectory
    from tui_finetune.system.paths import user_path
    from tui_finetune.training.worker import train

    resolved = resolved_from(arguments)
    place = arguments.worker or resolved.config.output_dir
    if place is None:
        raise UserError(
            "several processes train this, and each must know where the run is",
            "name its directory: --worker RUN, or --output_dir",
            "output_dir",
        )
    run = RunDirectory(Path(user_path(place, "output_dir")).absolute())
    return train(run, {}, resolved)
