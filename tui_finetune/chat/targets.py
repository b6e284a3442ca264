"""Whom to talk to: a run, a model's folder, the starter, or a model on the hub. No torch."""

from __future__ import annotations

import re
from pathlib import Path

from tui_finetune.config.schema import STARTER
from tui_finetune.errors import UserError
from tui_finetune.models.catalog import resolve_model
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.registry import find_run, known_runs
from tui_finetune.runs.summary import load_state

MANIFEST = "manifest.json"
_CHECKPOINT = re.compile(r"checkpoint-(\d+)\Z")


def _newest_checkpoint(run: RunDirectory) -> tuple[int, Path] | None:
    """The newest checkpoint that was saved to its end, with its step."""
    found = []
    if run.checkpoints_dir.is_dir():
        for path in run.checkpoints_dir.iterdir():
            match = _CHECKPOINT.match(path.name)
            if match and (path / MANIFEST).is_file():
                found.append((int(match.group(1)), path))
    return max(found, default=None)


def _of_run(run: RunDirectory) -> tuple[str, str] | None:
    """A run's final model, else its newest checkpoint."""
    if (run.final_dir / "config.json").is_file():
        return str(run.final_dir), run.name
    newest = _newest_checkpoint(run)
    return (str(newest[1]), f"{run.name}, step {newest[0]}") if newest else None


def resolve_chat_target(name: str | None, base: Path | None = None) -> tuple[str, str]:
    """What to load for a name, and how to call it.

    Args:
        name: a run's name or directory, a model's folder, 'starter' or a name on the hub. Left out: the newest run that
            has something to talk to, else the starter.
        base: the directory that `runs` is in; the current one if left out.

    Returns:
        What Engine.load takes, and a label for people.

    Raises:
        UserError: there is nothing of that name, or the run has saved nothing yet.
    """
    if name is None:
        for run in known_runs(base):
            if (target := _of_run(run)) is not None:
                return target
        return resolve_model(STARTER), STARTER
    if name == STARTER:
        return resolve_model(STARTER), STARTER
    folder = Path(name).expanduser()
    if (folder / "config.json").is_file():
        if _CHECKPOINT.match(folder.name) and folder.parent.name == "checkpoints" and not (folder / MANIFEST).is_file():
            raise UserError(f"{name} was not saved to its end", f"`finetune-tui chat {folder.parent.parent.name}`")
        return str(folder), folder.name if folder.name != "final" else folder.absolute().parent.name
    try:
        run = find_run(name, base)
    except UserError:
        return resolve_model(name), name
    target = _of_run(run)
    if target is None:
        raise UserError(
            f"the run {run.name} has saved no model yet", "`finetune-tui chat starter` talks to the starter"
        )
    return target


def learned_plain_text(path: str) -> bool:
    """Whether a model is of a run that learned plain text: it continues texts, whatever its template could do.

    Args:
        path: as resolve_chat_target gives it: a run's final model, or one of its checkpoints.
    """
    folder = Path(path)
    run = RunDirectory(folder.parent.parent if folder.parent.name == "checkpoints" else folder.parent)
    if not run.events_path.is_file():
        return False
    result = load_state(run, brief=True).result
    return result is not None and result.data_format == "text"
