"""Looking through directories: what a person may choose from, bounded, and never an exception."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

MAX_ENTRIES = 1000
MAX_LOOKED_AT = 20_000


@dataclass(frozen=True)
class Listing:
    """What is in a directory.

    Attributes:
        folder: the directory, absolute.
        folders: names of the directories in it.
        files: names and sizes in bytes of the files that were asked for.
        more: there are more entries than are listed.
        problem: why it could not be read; '' where it could.
    """

    folder: Path
    folders: tuple[str, ...] = ()
    files: tuple[tuple[str, int], ...] = ()
    more: bool = False
    problem: str = ""


def _in_order(name: str) -> tuple[str, str]:
    return name.casefold(), name


def list_directory(
    folder: Path, wanted: Callable[[str], bool] | None = None, *, hidden: bool = False, limit: int = MAX_ENTRIES
) -> Listing:
    """What is in a directory, in alphabetical order; hidden entries are left out.

    Args:
        folder: the directory.
        wanted: whether a file of this name is listed; without it no files are.
        hidden: list entries whose name begins with a dot too.
        limit: the most folders, and the most files, that are listed.
    """
    folder = Path(os.path.abspath(folder))
    folders: list[str] = []
    files: list[tuple[str, int]] = []
    more = False
    try:
        with os.scandir(folder) as entries:
            for number, entry in enumerate(entries):
                if number >= MAX_LOOKED_AT:
                    more = True
                    break
                if entry.name.startswith(".") and not hidden:
                    continue
                try:
                    if entry.is_dir():
                        folders.append(entry.name)
                    elif wanted is not None and entry.is_file() and wanted(entry.name):
                        files.append((entry.name, entry.stat().st_size))
                except OSError:
                    continue  # gone meanwhile, or a link that leads nowhere
    except OSError as error:
        return Listing(folder, problem=error.strerror or "can't be read")
    more = more or len(folders) > limit or len(files) > limit
    return Listing(
        folder,
        tuple(sorted(folders, key=_in_order)[:limit]),
        tuple(sorted(files, key=lambda file: _in_order(file[0]))[:limit]),
        more,
    )


def looks_like_path(text: str) -> bool:
    """Whether what was typed can only be meant as a path."""
    return text.startswith(("/", "./", "../", "~")) or text in {".", ".."}


def split_typed(text: str, base: Path) -> tuple[Path, str, str]:
    """What is typed of a path: the directory it is in, the part of it as typed, and the beginning of the last name.

    Args:
        text: as typed, so far.
        base: the directory that relative paths start from.
    """
    if text in {".", "..", "~"}:
        text += "/"
    shown, _, start = text.rpartition("/")
    shown = shown + "/" if _ else ""
    try:
        expanded = Path(shown).expanduser()
    except RuntimeError:  # a home that is not known
        expanded = Path(shown)
    return base / expanded, shown, start


def shown_path(path: Path, base: Path) -> str:
    """A path as it is best read and typed: relative where it is below ``base``, with ~ where it is below the home."""
    try:
        return f"./{path.relative_to(base)}" if path != base else "."
    except ValueError:
        pass
    home = Path.home() if os.environ.get("HOME") else None
    if home is not None and home != path and home in path.parents:
        return f"~/{path.relative_to(home)}"
    return str(path)
