"""Folders that `save_to_disk` of `datasets` wrote: of one split, or one folder for each."""

from __future__ import annotations

import difflib
import json
from pathlib import Path

from tui_finetune.data.readers.files import DataFile, data_file
from tui_finetune.errors import UserError
from tui_finetune.system.paths import user_path

STATE, SPLITS = "state.json", "dataset_dict.json"


def saved_files(name: str, split: str) -> tuple[list[DataFile], str] | None:
    """The Arrow files of a saved data set in order, and in words what it is; None where a name is none of one.

    Raises:
        UserError: it has no such split, or isn't whole.
    """
    path = user_path(name, "dataset_name")
    words = "saved with save_to_disk"
    if (path / SPLITS).is_file():
        splits = [str(part) for part in _listed(path / SPLITS, "splits")]
        if split not in splits:
            near = difflib.get_close_matches(split, splits, n=1)
            raise UserError(
                f"{name} has no split '{split}'; there are: {', '.join(splits) or 'none'}",
                f"set dataset_train_split to '{(near or splits or ['train'])[0]}'",
                setting="dataset_train_split",
            )
        path, words = path / split, f"{words}, split '{split}'"
    elif not (path / STATE).is_file() or "_data_files" not in _read(path / STATE):
        return None
    files = []
    for entry in _listed(path / STATE, "_data_files"):
        part = path / Path(str(entry.get("filename") if isinstance(entry, dict) else entry)).name
        if not part.is_file():
            raise _broken(path, f"{part.name} is missing")
        files.append(data_file(part))
    if not files:
        raise _broken(path, f"{STATE} names no files")
    return files, words


def saved_splits(name: str) -> list[str] | None:
    """The splits of a saved data set; None where a name is none of one, or of one without splits."""
    path = user_path(name, "dataset_name") / SPLITS
    return [str(part) for part in _listed(path, "splits")] if path.is_file() else None


def _read(path: Path) -> dict[str, object]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        raise _broken(path.parent, f"{path.name} can't be read") from None
    return content if isinstance(content, dict) else {}


def _listed(path: Path, key: str) -> list[object]:
    found = _read(path).get(key)
    return found if isinstance(found, list) else []


def _broken(path: Path, what: str) -> UserError:
    return UserError(f"{path} is not a complete saved data set: {what}", "save it again", setting="dataset_name")
