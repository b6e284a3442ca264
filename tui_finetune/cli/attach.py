"""`finetune-tui attach`: the app on a run that another process trains."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from tui_finetune.cli.flags import add_run

HELP = "Open the app on a run that is training in another process on this machine."


def add_arguments(parser: ArgumentParser) -> None:
    add_run(parser)


def run(arguments: Namespace) -> int:
    from tui_finetune.cli.open_app import open_app
    from tui_finetune.runs import registry

    return open_app(run=registry.find_run(arguments.run))
