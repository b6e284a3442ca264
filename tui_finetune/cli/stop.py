"""`finetune-tui stop`: asks a live run to save and end, and waits for it."""

from __future__ import annotations

import time
from argparse import ArgumentParser, Namespace

from tui_finetune.cli.flags import add_run
from tui_finetune.cli.output import write_line
from tui_finetune.errors import UserError

HELP = "Ask a live run to save and end, and wait for it."

LOOK_SECONDS = 0.1


def add_arguments(parser: ArgumentParser) -> None:
    add_run(parser)


def run(arguments: Namespace) -> int:
    from tui_finetune.cli.displays import ending_lines
    from tui_finetune.config.flags import resume_command
    from tui_finetune.runs import registry
    from tui_finetune.runs.watch import Watch

    directory = registry.find_run(arguments.run)
    if not directory.is_live:
        raise UserError(f"{directory.name} is not running", "`finetune-tui runs` shows the status of every run")
    directory.request("stop", reason="finetune-tui stop")
    write_line(f"asked {directory.name} to save and end")
    while directory.is_live:
        time.sleep(LOOK_SECONDS)
    watch = Watch(directory)
    watch.poll()
    if not watch.state.is_over:
        write_line(f"{directory.name} ended before it could save; resume it with: {resume_command(directory.name)}")
        return 1
    for line in ending_lines(watch):
        write_line(line)
    return 0
