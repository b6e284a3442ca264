"""What is wrong with the data and can be lived with. What can't is a UserError."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tui_finetune.data.file_kinds import place_in
from tui_finetune.errors import Level, Notice


@dataclass(frozen=True, kw_only=True)
class Problem(Notice):
    """Something a person should know about the data; the remedy says what was done about it, or what can be.

    Attributes:
        file: the file or data set it is in.
        row: the line it begins on, in files whose rows are lines (see `file_kinds.LINED`), else the row; from 1. None
            where it is about the whole. Where several rows have it, the first.
    """

    level: Level = "warning"
    file: str
    row: int | None = None

    @property
    def place(self) -> str:
        """'data.jsonl, line 7'."""
        return self.file if self.row is None else f"{self.file}, {place_in(self.file, self.row)}"

    def to_json(self) -> dict[str, str | int | None]:
        return {"file": self.file, "row": self.row, "message": self.message, "remedy": self.remedy}

    @classmethod
    def from_json(cls, written: Mapping[str, str | int | None]) -> Problem:
        """What `to_json` wrote."""
        row = written["row"]
        return cls(
            str(written["message"]),
            str(written["remedy"]),
            file=str(written["file"]),
            row=None if row is None else int(row),
        )


class Tally:
    """Problems of the same kind in one file, counted and told as one.

    Memory is bounded by the number of kinds and files, not by that of rows.
    """

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str, str], tuple[int, int | None]] = {}

    def add(self, file: str, row: int | None, what: str, remedy: str, count: int = 1) -> None:
        """Count one.

        Args:
            file: where it is.
            row: the line or row, from 1.
            what: what the row has: 'no text'.
            remedy: what becomes of it.
            count: how many rows have it.
        """
        seen, first = self._counts.get((file, what, remedy), (0, row))
        self._counts[file, what, remedy] = (seen + count, first)

    def most_frequent(self) -> Problem | None:
        """The problem that most rows have; None where there is none."""
        return max(self._all(), key=lambda counted: counted[0], default=(0, None))[1]

    def problems(self) -> list[Problem]:
        return [problem for _, problem in self._all()]

    def _all(self) -> list[tuple[int, Problem]]:
        return [
            (count, Problem(_message(count, what), remedy, file=file, row=row))
            for (file, what, remedy), (count, row) in self._counts.items()
        ]


def _message(count: int, what: str) -> str:
    return f"a row with {what}" if count == 1 else f"{count:,} rows with {what}, first here"
