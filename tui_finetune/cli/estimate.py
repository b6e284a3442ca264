"""`finetune-tui estimate`, and `train --dry-run`: what a run would take."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from tui_finetune.cli.flags import add_config_file, add_settings, resolved_from
from tui_finetune.cli.output import write_line
from tui_finetune.formatting import amount, size

if TYPE_CHECKING:
    from tui_finetune.config.resolve import Resolved
    from tui_finetune.planning.plan import Plan

HELP = "Parameters, memory, steps, time, and disk space of a run, and whether it fits."


def add_arguments(parser: ArgumentParser) -> None:
    add_config_file(parser)
    parser.add_argument("--json", action="store_true", help="as one JSON object")
    add_settings(parser)


def run(arguments: Namespace) -> int:
    return show_estimate(resolved_from(arguments), as_json=arguments.json)


def plan_of(resolved: Resolved) -> Plan:
    """The plan of a configuration; raises UserError for what keeps it from being started."""
    from tui_finetune.planning.plan import examine

    plan = examine(resolved, read_hub_data=True)
    if plan.problem is not None:
        raise plan.problem
    return plan


def show_estimate(resolved: Resolved, *, as_json: bool) -> int:
    """Print what a run will take."""
    plan = plan_of(resolved)
    assert plan.estimate is not None
    if as_json:
        write_line(json.dumps(plan.estimate.to_json(), indent=1))
        return 0
    for line in plan_lines(plan):
        write_line(line)
    return 0


def plan_lines(plan: Plan) -> list[str]:
    """What a run will take, a line each."""
    from tui_finetune.planning.plan import rough_duration

    estimate = plan.estimate
    if estimate is None:
        return []
    memory = estimate.memory
    return [
        f"parameters   {amount(estimate.parameters)}",
        f"method       {_method(plan)}",
        *([f"chosen       {plan.choices.words(plan.amount)}"] if plan.choices and plan.amount else []),
        f"steps        {plan.steps if plan.steps is not None else 'not known'}",
        f"time         {'about ' + rough_duration(estimate.seconds) if estimate.seconds else 'not known'}",
        f"memory       {'fits' if estimate.fits else 'does not fit'}: {estimate.memory_words()}",
        *(
            f"  {part:<11}{size(count):>9}"
            for part, count in memory.items()
            if part != "total" and (count or part != "reference")
        ),
        f"disk         {size(estimate.disk)}",
        *(f"assumed: {assumption}" for assumption in estimate.assumptions),
        *(f"note: {said.message} {said.remedy}" for said in (plan.choices.notices if plan.choices else ())),
        *(f"warning: {warning.message} {warning.remedy}" for warning in plan.warnings),
    ]


def _method(plan: Plan) -> str:
    from tui_finetune.models.methods.choose import method_of

    method = method_of(plan.config)
    return method.words(plan.facts) if plan.facts is not None else method.label


def dry_run(resolved: Resolved, path: Path) -> int:
    """Check all that a run needs, say what it would be, and where each setting comes from."""
    from tui_finetune.config.resolve import unused
    from tui_finetune.config.schema import settings
    from tui_finetune.runs.directory import RunDirectory
    from tui_finetune.training.inputs import check_tracker

    check_tracker(resolved.config.report_to)
    RunDirectory(path).check_can_be_made()
    plan = plan_of(resolved)
    write_line(f"run          {path}")
    for line in plan_lines(plan):
        write_line(line)
    if plan.preview is not None:
        write_line(f"data         {plan.preview.rows:,} rows, {plan.preview.format}: {plan.preview.reason}")
        for problem in plan.preview.problems:
            write_line(f"note: {problem.place}: {problem.message}")
    width, method, task = max(map(len, settings())), resolved.config.method, resolved.config.task
    for said in unused(resolved):
        write_line(f"note: {said.message} {said.remedy}")
    write_line()
    config = plan.choices.config if plan.choices else resolved.config
    reasons = plan.choices.reasons if plan.choices else {}
    for key, item in settings().items():
        chosen = f"chosen: {reasons[key]}" if key in reasons else resolved.origin(key)
        idle = f"task {task}" if item.tasks and task not in item.tasks else f"method {method}"
        origin = chosen if item.concerns(method, task) else f"not used with {idle}"
        write_line(f"{key:<{width}}  {item.show(getattr(config, key)):<24}  {origin}")
    return 0
