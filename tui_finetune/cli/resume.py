"""`finetune-tui resume`: continues a run from its newest checkpoint."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from tui_finetune.cli.flags import add_run, add_settings, given_settings

HELP = "Resume a run from its newest checkpoint; more epochs or steps extend it."


def add_arguments(parser: ArgumentParser) -> None:
    add_run(parser)
    parser.add_argument("--json", action="store_true", help="write events to standard output, one JSON object a line")
    add_settings(parser, presets=False)


def run(arguments: Namespace) -> int:
    from tui_finetune.cli.headless import resume_run
    from tui_finetune.runs import registry
    from tui_finetune.training.resume import changed_config

    directory = registry.find_run(arguments.run)
    changes = given_settings(arguments)
    if not directory.is_live:
        changed_config(directory, changes)  # Refused here, before anything is said.
    return resume_run(directory, changes, json_output=arguments.json)
