"""Folders whose files are named after the splits of a data set: train.jsonl, validation.jsonl, or folders of such names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from tui_finetune.data.problems import Problem
from tui_finetune.data.readers.files import DataFile, find_files
from tui_finetune.system.paths import user_path

TRAIN = "train"
VALIDATION = ("validation", "valid", "val", "dev", "eval")
"""What a split to evaluate on is called, the most usual first."""

_NAMES = (TRAIN, *VALIDATION, "test")
_NAMED = re.compile(rf"({'|'.join(_NAMES)})(?![A-Za-z])", re.IGNORECASE)


def validation_among(names: Iterable[str]) -> str | None:
    """The split to evaluate on; None where there is none."""
    there = {name.lower(): name for name in names}
    return next((there[name] for name in VALIDATION if name in there), None)


def splits_in(name: str) -> dict[str, list[DataFile]]:
    """The files of a folder by the split that they are named after; empty where none of them is named 'train'.

    Args:
        name: a path.

    Raises:
        UserError: there are no data files in it.
    """
    path = user_path(name, "dataset_name")
    if not path.is_dir():
        return {}
    found: dict[str, list[DataFile]] = {}
    for file in (find_files(name) or ([], []))[0]:
        if (
            split := _split_of(file.path.relative_to(path) if file.path.is_relative_to(path) else file.path)
        ) is not None:
            found.setdefault(split, []).append(file)
    return found if TRAIN in found and len(found) > 1 else {}


def left_aside(name: str, splits: dict[str, list[DataFile]], taken: Iterable[str]) -> list[Problem]:
    """What is to be said of the files of splits that are not read."""
    files = [file for split, files in splits.items() if split not in set(taken) for file in files]
    if not files:
        return []
    first = files[0].path.name
    message = f"{first} is not read" if len(files) == 1 else f"{len(files)} files are not read, {first} the first"
    return [Problem(message, "it is named after another split", level="info", file=name)]


def _split_of(path: Path) -> str | None:
    for part in (path.name, *(parent.name for parent in path.parents)):
        if (named := _NAMED.match(part)) is not None:
            return named[1].lower()
    return None
