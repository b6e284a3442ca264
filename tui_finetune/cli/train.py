"""`finetune-tui train`: trains without the app."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from tui_finetune.cli.flags import add_config_file, add_settings, resolved_from

HELP = "Train without the app; with no arguments, the starter on a sample data set."


def add_arguments(parser: ArgumentParser) -> None:
    add_config_file(parser)
    parser.add_argument("--json", action="store_true", help="write events to standard output, one JSON object a line")
    parser.add_argument("--dry-run", action="store_true", help="check everything and stop")
    parser.add_argument("--queue", action="store_true", help="put it at the end of the queue and stop")
    parser.add_argument("--worker", metavar="RUN", help="train the run in that directory, as its one process")
    add_settings(parser)


def run(arguments: Namespace) -> int:
    if arguments.worker:
        from tui_finetune.training.worker import main

        return main([arguments.worker])
    from tui_finetune.runs.directory import RunDirectory
    from tui_finetune.runs.naming import check_places, create_run, new_run_path

    resolved = resolved_from(arguments)
    if arguments.queue and not arguments.dry_run:
        from tui_finetune.cli.queue import enqueue

        return enqueue(resolved)
    directory = RunDirectory(new_run_path(resolved.config))
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
