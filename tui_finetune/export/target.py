"""What an export is: something with a name, a forecast, a check beforehand, and the making of it in a draft.

To add one, write a class like those in the files beside this one, and put it into `targets.TARGETS`.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import ClassVar

from tui_finetune.errors import UserError
from tui_finetune.export.subject import Subject
from tui_finetune.formatting import size
from tui_finetune.system.files import PRIVATE_DIRECTORY, sync_directory, sync_file
from tui_finetune.system.progress import Report

FREE_BYTES_MARGIN = 64 * 1024 * 1024


@dataclass(frozen=True)
class Forecast:
    """What making an export takes, roughly. None where it isn't known.

    Attributes:
        bytes: its size on disk, or of what is sent.
        seconds: how long it takes.
    """

    bytes: int | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class Made:
    """What was made.

    Attributes:
        place: a file, a folder, or an address.
        bytes: its size.
        notes: what is to be known about it, a line each.
        commands: how to use it, a command each.
    """

    place: str = ""
    bytes: int = 0
    notes: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()


class Target(ABC):
    """A kind of export, with its options as attributes."""

    name: ClassVar[str]
    title: ClassVar[str]
    """What it makes, in a few words."""
    local: ClassVar[bool] = True
    """Whether it is put somewhere on this machine."""
    OPTIONS: ClassVar[tuple[str, ...]] = ()
    """The names of the keywords that it is made with."""

    def __init__(self, **options: object) -> None:
        if unknown := set(options) - set(self.OPTIONS):
            raise TypeError(f"{self.name} takes no {sorted(unknown)[0]}")

    @property
    def label(self) -> str:
        """Its name, with the option that sets it apart."""
        return self.name

    @property
    def suffix(self) -> str:
        """What its place ends with after the run's name."""
        return f"-{self.name}"

    @abstractmethod
    def forecast(self, subject: Subject) -> Forecast:
        """What it takes; raises UserError where it can't be made."""

    @abstractmethod
    def check(self, subject: Subject) -> None:
        """Raise UserError where it can't be made, before anything is begun. Quick."""

    @abstractmethod
    def make(self, subject: Subject, draft: Path, report: Report) -> Made:
        """Make it, and check what was made.

        Args:
            subject: of what.
            draft: an empty folder. What is in it at the end is the export; where that is one file, its place is a file.
            report: told how far it is; may raise Cancelled.

        Raises:
            UserError: it can't be made, or what was made is not as it should be.
        """


def export_to(target: Target, subject: Subject, out: Path | None, report: Report) -> Made:
    """Make an export beside its place, then put it there: it is whole or not there, and nothing is overwritten.

    Args:
        target: what to make.
        subject: of what.
        out: its place; a free one in `exports` beside the runs if left out.
        report: told how far it is; may raise Cancelled.

    Raises:
        UserError: it can't be made, something is in its place already, or the disk has no room for it.
    """
    target.check(subject)
    if not target.local:
        if out is not None:
            raise UserError(f"--to {target.name} makes nothing here", "leave out --out")
        with draft_for(free_place(target, subject), target.forecast(subject).bytes or 0) as draft:
            return target.make(subject, draft, report)
    if out is not None and os.path.lexists(out):
        raise _taken(out)
    place = Path(os.path.abspath(out.expanduser())) if out is not None else free_place(target, subject)
    with draft_for(place, target.forecast(subject).bytes or 0) as draft:
        made = target.make(subject, draft, report)
        report(0, None, "putting it in its place")
        content = sorted(draft.iterdir())
        put(content[0] if len(content) == 1 and content[0].is_file() else draft, place)
    files = [place] if place.is_file() else [path for path in place.rglob("*") if path.is_file()]
    commands = tuple(command.replace(PLACE, str(place)) for command in made.commands)
    return replace(made, place=str(place), bytes=sum(path.stat().st_size for path in files), commands=commands)


PLACE = "{place}"
"""Stands in commands for where the export will be."""


def free_place(target: Target, subject: Subject) -> Path:
    """A place in the folder of exports where nothing is."""
    stem, _, ending = target.suffix.partition(".")
    names = (f"{subject.name}{stem}{f'-{n}' if n > 1 else ''}{f'.{ending}' if ending else ''}" for n in count(1))
    return next(path for name in names if not os.path.lexists(path := subject.exports_dir / name))


def _taken(place: Path) -> UserError:
    return UserError(f"{place} is there already", "choose another --out; nothing that is there is overwritten")


@contextmanager
def draft_for(place: Path, needed: int) -> Iterator[Path]:
    """An empty folder beside a place, gone at the end.

    Args:
        place: where the export is to be.
        needed: bytes that it will have.

    Raises:
        UserError: there is no room for it, or it can't be written there.
    """
    try:
        place.parent.mkdir(mode=PRIVATE_DIRECTORY, parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{place.name}-", dir=place.parent))
    except OSError as error:
        raise UserError(f"{place.parent}: {error.strerror}", "choose another place with --out") from None
    try:
        free = shutil.disk_usage(draft).free
        if free < needed + FREE_BYTES_MARGIN:
            raise UserError(
                f"{place.parent} has {size(free)} free, and {size(needed)} are needed",
                "free some space, or choose another place with --out",
            )
        yield draft
    except OSError as error:
        raise UserError(
            f"{place} could not be written: {error.strerror or error}",
            "nothing is left of it; see to the disk and try again",
        ) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def put(made: Path, place: Path) -> None:
    """Put a finished file or folder in its place, safe on disk; raises UserError where something has come there."""
    for path in [made] if made.is_file() else sorted(made.rglob("*")):
        if path.is_file():
            path.chmod(0o600)
            sync_file(path)
        elif path.is_dir():
            sync_directory(path)
    try:
        if made.is_file():
            os.link(made, place)  # unlike a rename it fails where something is
        else:
            place.mkdir(mode=PRIVATE_DIRECTORY)  # the name is taken by this; a rename replaces only an empty folder
            os.rename(made, place)
    except FileExistsError:
        raise _taken(place) from None
    sync_directory(place.parent)
