"""What each command does. Heavy modules are imported where they are needed."""

from __future__ import annotations

import json
import os
import sys
import time
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tui_finetune.cli.output import write_line
from tui_finetune.errors import UserError
from tui_finetune.runs import registry
from tui_finetune.runs.directory import RunDirectory, new_run_path
from tui_finetune.runs.summary import summarize

if TYPE_CHECKING:
    from tui_finetune.config.resolve import Resolved


def resolved_from(arguments: Namespace, **more: object) -> Resolved:
    """The configuration that a command's arguments amount to."""
    from tui_finetune.cli.main import given_settings
    from tui_finetune.config.resolve import read_yaml, resolve
    from tui_finetune.models.catalog import model_settings

    flags = {**given_settings(arguments), **more}
    path = getattr(arguments, "config_file", None)
    file = read_yaml(Path(path)) if path else None
    first = resolve(flags, file, preset_name=arguments.preset, where=path or "")
    suits = model_settings(first.config.model_name_or_path)
    return resolve(flags, file, preset_name=arguments.preset, model_settings=suits, where=path or "")


def train(arguments: Namespace) -> int:
    resolved = resolved_from(arguments)
    path = new_run_path(resolved.config)
    RunDirectory(path).check_free()  # refused here, before the seconds that the imports take
    if arguments.dry_run:
        from tui_finetune.cli.estimate import dry_run

        return dry_run(resolved, path)
    from tui_finetune.planning.precheck import precheck

    precheck(resolved.config)
    return _train(RunDirectory(path), resolved, json_output=arguments.json)


def resume(arguments: Namespace) -> int:
    from tui_finetune.cli.main import given_settings
    from tui_finetune.training.changes import changed_config

    run = registry.find_run(arguments.run)
    changes = given_settings(arguments)
    if not run.is_live:
        changed_config(run, changes)  # Refused here, before anything is said.
    return _train(run, None, changes, json_output=arguments.json)


def _train(
    run: RunDirectory, resolved: Resolved | None, changes: Mapping[str, Any] | None = None, *, json_output: bool
) -> int:
    from tui_finetune.cli.displays import choose_display
    from tui_finetune.system.output import keep_terminal

    duplicates = keep_terminal()
    display = choose_display(json=json_output)
    display.say(f"{'Training' if resolved else 'Going on with'} {run.name} in {run.path}")
    from tui_finetune.cli.training import train as train_session
    from tui_finetune.training.session import TrainingSession

    if resolved:
        run.create()
    session = TrainingSession(resolved, run) if resolved else TrainingSession.resume(run, changes)
    try:
        return train_session(session, display, duplicates)
    finally:
        display.close()


def attach(arguments: Namespace) -> int:
    from tui_finetune.cli.open_app import open_app

    return open_app(run=registry.find_run(arguments.run))


def stop(arguments: Namespace) -> int:
    run = registry.find_run(arguments.run)
    if not run.is_live:
        raise UserError(f"{run.name} is not going", "`finetune-tui runs` shows the status of every run")
    run.request("stop", reason="finetune-tui stop")
    write_line(f"asked {run.name} to save and end")
    while run.is_live:
        time.sleep(0.1)
    from tui_finetune.cli.displays import ending_lines
    from tui_finetune.runs.watch import Watch

    watch = Watch(run)
    watch.poll()
    if not watch.state.is_over:
        write_line(f"{run.name} ended before it could save; `finetune-tui resume {run.name}` goes on with it")
        return 1
    for line in ending_lines(watch):
        write_line(line)
    return 0


def runs(arguments: Namespace) -> int:
    from tui_finetune.cli.tables import runs_table

    summaries = [summarize(run) for run in registry.known_runs()]
    if arguments.json:
        write_line(json.dumps([summary.to_json() for summary in summaries], indent=1))
    elif not summaries:
        write_line("no runs yet; `finetune-tui train` makes one")
    else:
        for line in runs_table(summaries, time.time()):
            write_line(line)
    return 0


def chat(arguments: Namespace) -> int:
    from tui_finetune.cli.chat import chat as chat_in_terminal

    given = {
        name: value
        for name in ("temperature", "top_p", "top_k", "max_new_tokens", "seed")
        if (value := getattr(arguments, name)) is not None
    }
    return chat_in_terminal(arguments.model, arguments.prompt, given)


def preview(arguments: Namespace) -> int:
    from tui_finetune.cli.preview import show_preview

    return show_preview(resolved_from(arguments, dataset_name=arguments.dataset), as_json=arguments.json)


def estimate(arguments: Namespace) -> int:
    from tui_finetune.cli.estimate import show_estimate

    return show_estimate(resolved_from(arguments), as_json=arguments.json)


def doctor(arguments: Namespace) -> int:
    from tui_finetune.cli.doctor import examine

    findings = []
    for finding in examine(os.environ, sys.stdout):
        findings.append(finding)
        if not arguments.json:
            for line in finding.lines():
                write_line(line)
    if arguments.json:
        write_line(json.dumps([finding.to_json() for finding in findings], indent=1))
    return 0 if all(finding.good for finding in findings) else 1
