"""`finetune-tui check`: the check before training, by itself."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace

from tui_finetune.cli.flags import add_config_file, add_settings, resolved_from
from tui_finetune.cli.output import write_line
from tui_finetune.formatting import duration, size

HELP = "Try a run in seconds: one batch, a piece of a checkpoint, memory and disk; nothing is kept."


def add_arguments(parser: ArgumentParser) -> None:
    add_config_file(parser)
    parser.add_argument("--json", action="store_true", help="as one JSON object")
    add_settings(parser)


def run(arguments: Namespace) -> int:
    from tui_finetune.cli.estimate import plan_lines, plan_of
    from tui_finetune.planning.precheck import precheck
    from tui_finetune.system.allocator import keep_freed_memory
    from tui_finetune.training.rehearsal import rehearse

    resolved = resolved_from(arguments)
    precheck(resolved.config)
    if sys.stderr.isatty():
        write_line("Trying one batch …", sys.stderr)
    keep_freed_memory()
    checked = rehearse(resolved)
    plan = plan_of(resolved).corrected(checked)
    if arguments.json:
        estimate = plan.estimate.to_json() if plan.estimate is not None else {}
        write_line(json.dumps({**estimate, "check": checked.fields()}, indent=1))
        return 0
    for line in plan_lines(plan):
        write_line(line)
    if checked.batch_seconds is not None:
        tokens = f" of {checked.batch_tokens:,} tokens" if checked.batch_tokens else ""
        write_line(f"checked      a batch{tokens} takes {duration(checked.batch_seconds)}")
    if checked.needed is not None and checked.estimated is not None:
        write_line(f"             {size(checked.needed)} of memory as measured, {size(checked.estimated)} as estimated")
    if checked.save_seconds is not None:
        write_line(f"             saving takes about {duration(checked.save_seconds)}")
    return 0
