"""Settings written as flags of a command, for hints that can be copied."""

from __future__ import annotations

import shlex
from collections.abc import Mapping


def as_flags(values: Mapping[str, object]) -> list[str]:
    """Settings as words of a command line, which reads them back as the same values.

    Args:
        values: settings by key; a value of None is written as 'auto'.
    """
    return [word for key, value in values.items() for word in (f"--{key}", _written(value))]


def resume_command(run: str, changes: Mapping[str, object] | None = None) -> str:
    """The command that resumes a run, with changes to its settings.

    Args:
        run: the run's name or directory.
        changes: settings by key.
    """
    return shlex.join(["finetune-tui", "resume", run, *as_flags(changes or {})])


def _written(value: object) -> str:
    if value is None:
        return "auto"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}" if float(f"{value:g}") == value else repr(value)
    return str(value)
