"""Folders with models that were chosen by their path, so that they are in the list the next time."""

from __future__ import annotations

import json
from pathlib import Path

from tui_finetune.models.adapters import holds_model
from tui_finetune.system.files import PRIVATE_DIRECTORY, write_atomically
from tui_finetune.system.paths import state_dir

MAX_REMEMBERED = 20


def _file() -> Path:
    return state_dir() / "models.json"


def recent_folders() -> list[Path]:
    """The folders that still hold a model, the one chosen last first. Never fails."""
    try:
        names = json.loads(_file().read_bytes())["folders"]
        paths = [Path(name) for name in names if isinstance(name, str) and name.startswith("/")]
        return [path for path in paths[:MAX_REMEMBERED] if holds_model(path)]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def remember_folder(name: str) -> None:
    """Put a folder in front, by its absolute path; where the state directory can't be written to, nothing is remembered."""
    path = Path(name).expanduser().absolute()
    if not holds_model(path):
        return
    names = [str(path), *(str(other) for other in recent_folders() if other != path)][:MAX_REMEMBERED]
    try:
        _file().parent.mkdir(mode=PRIVATE_DIRECTORY, parents=True, exist_ok=True)
        write_atomically(_file(), json.dumps({"folders": names}, ensure_ascii=True), durable=False)
    except OSError:
        return
