"""What is wrong with the data and can be lived with. What can't is a UserError."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from tui_finetune.data.kinds import place_in


@dataclass(frozen=True)
class Problem:
    """Something a person should know about the data.

    Attributes:
        file: the file or data set it is in.
        row: the line it begins on, in files whose rows are lines (see `kinds.LINED`), else the row; from 1. None where it
            is about the whole. Where several rows have it, the first.
        message: what it is.
        remedy: what was done about it, or what can be.
    """

    file: str
    row: int | None
    message: str
    remedy: str

    @property
    def place(self) -> str:
        """'data.jsonl, line 7'."""
        return self.file if self.row is None else f"{self.file}, {place_in(self.file, self.row)}"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


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
            (
                count,
                Problem(
                    file, row, f"a row with {what}" if count == 1 else f"{count:,} rows with {what}, first here", remedy
                ),
            )
            for (file, what, remedy), (count, row) in self._counts.items()
        ]
