"""The program that a person wants to be started when a run has ended."""

from __future__ import annotations

import logging
import os
import shlex
import shutil
import subprocess

from tui_finetune.errors import UserError
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.result import RunResult

WAIT_SECONDS = 10.0
"""How long the end of a run waits for it; then it goes on by itself."""


def notify_arguments(command: str | None) -> list[str]:
    """The words of a command, as a shell would split them; none where there is no command.

    Raises:
        UserError: it is no command, or its program isn't there.
    """
    if command is None:
        return []
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UserError(f"notify_command can't be read: {error}", "close its quotes", "notify_command") from None
    if not words or shutil.which(words[0]) is None:
        name = words[0] if words else command
        remedy = "give a program that can be run, with its path; a shell is not used"
        raise UserError(f"notify_command {name!r} is no program", remedy, "notify_command")
    return words


def run_notify_command(command: str | None, run: RunDirectory, result: RunResult) -> None:
    """Start the program, with what became of the run in its environment. What goes wrong with it goes to the log only.

    Args:
        command: the program and its arguments; None for none.
        run: the run.
        result: how it ended.
    """
    facts = {
        "RUN": str(run.path),
        "NAME": run.name,
        "OUTCOME": result.status,
        "REASON": result.reason,
        "STEP": "" if result.step is None else str(result.step),
        "EVAL_LOSS": "" if result.eval_loss is None else str(result.eval_loss),
    }
    environment = {**os.environ, **{f"FINETUNE_TUI_{name}": value.replace("\0", "") for name, value in facts.items()}}
    log = logging.getLogger(__name__)
    try:
        if not (words := notify_arguments(command)):
            return
        # In a session of its own: what stops the program, or the end of the terminal, doesn't reach it.
        started = subprocess.Popen(words, env=environment, stdin=subprocess.DEVNULL, start_new_session=True)
        if status := started.wait(WAIT_SECONDS):
            log.error("notify_command ended with status %s", status)
    except subprocess.TimeoutExpired:
        log.warning("notify_command is still running after %s s", WAIT_SECONDS)
    except (UserError, OSError) as error:
        log.error("notify_command: %s", error)
