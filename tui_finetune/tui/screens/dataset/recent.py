"""The data sets used last, so that they are one key away the next time."""

from __future__ import annotations

import json
from pathlib import Path

from tui_finetune.system.files import PRIVATE_DIRECTORY, write_atomically
from tui_finetune.system.paths import state_dir

MAX_REMEMBERED = 20


def _file() -> Path:
    return state_dir() / "recent.json"


def recent_data() -> list[str]:
    """Names of data sets and absolute paths of files and folders, the one used last first. Never fails."""
    try:
        content = json.loads(_file().read_bytes())
        names = content["data"]
        return [name for name in names if isinstance(name, str) and name][:MAX_REMEMBERED]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def remember_data(name: str) -> None:
    """Put a data set in front. A path is kept absolute: it means the same from everywhere.

    Where the state directory can't be written to, nothing is remembered.
    """
    path = Path(name).expanduser()
    if path.exists():
        name = str(path.absolute())
    names = [name, *(other for other in recent_data() if other != name)][:MAX_REMEMBERED]
    try:
        _file().parent.mkdir(mode=PRIVATE_DIRECTORY, parents=True, exist_ok=True)
        write_atomically(_file(), json.dumps({"data": names}, ensure_ascii=True), durable=False)
    except OSError:
        return
