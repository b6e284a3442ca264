"""What can go wrong through no fault of the program's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["good", "info", "warning", "error"]


@dataclass(frozen=True)
class Notice:
    """Something a person should know, in a line, and what can be done about it, in another.

    Attributes:
        level: 'good' only where it is said how a run is doing.
        message: plain words that name the file, row or setting.
        remedy: what to do about it, '' where nothing has to be done.
        setting: the key of the RunConfig setting it is about, if it is about one.
    """

    level: Level
    message: str
    remedy: str = ""
    setting: str | None = None


class UserError(Exception):
    """Something that was asked for can't be done.

    Shown as one line with the cause and one with the remedy, in the terminal as ``error:`` and ``hint:``, in the app
    beside the setting it is about. Anything else that is raised is a bug, and shows as one.

    Args:
        message: the cause, in plain words, naming the file, row or setting.
        remedy: what to do about it.
        setting: the key of the RunConfig setting it is about, if it is about one.
    """

    def __init__(self, message: str, remedy: str = "", setting: str | None = None) -> None:
        super().__init__(message)
        self.notice = Notice("error", message, remedy, setting)

    @property
    def message(self) -> str:
        return self.notice.message

    @property
    def remedy(self) -> str:
        return self.notice.remedy

    @property
    def setting(self) -> str | None:
        return self.notice.setting


class Cancelled(Exception):
    """The work was asked to end before it was done. Raised by the progress callback of long work."""
