"""Prompts from the rows that a run is evaluated on: `/row` asks what the next of them asks."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tui_finetune.chat.targets import ChatTarget, run_of
from tui_finetune.errors import UserError

if TYPE_CHECKING:
    from tui_finetune.chat.prompt_set import Asked
    from tui_finetune.runs.directory import RunDirectory
    from tui_finetune.tui.host import Host


class Rows:
    """The rows of the run that is talked to, read when the first is asked for.

    Args:
        host: does work in threads.
        ask: gives a row's prompt to the models.
        note: says something in the conversation; with `problem`, why not.
    """

    def __init__(self, host: Host, ask: Callable[[Asked], None], note: Callable[[str, bool], None]) -> None:
        self._host, self._ask, self._note = host, ask, note
        self._run: RunDirectory | None = None
        self._rows: list[Asked] = []
        self._next = 0
        self._reading = False

    def command(self, rest: str, targets: list[ChatTarget]) -> None:
        """Ask what a row asks.

        Args:
            rest: the row's number from 1 on; '' for the next.
            targets: the models that are talked to; the rows are those of the last one that is of a run.

        Raises:
            UserError: it is no number, or none of the models is of a run.
        """
        if rest and not (rest.isdecimal() and int(rest)):
            raise UserError(f"'{rest[:20]}' is no row", "as in `/row 3`; `/row` alone takes the next")
        run = next((run for target in reversed(targets) if (run := run_of(target)) is not None), None)
        if run is None:
            raise UserError("the model is not of a run, so no evaluation rows are known", "F4 chooses a run's model")
        if self._reading:
            return
        if self._run == run:
            self._ask_row(rest)
        else:
            self._read(run, rest)

    def _read(self, run: RunDirectory, rest: str) -> None:
        self._reading = True
        self._note(f"Reading the rows that {run.name} is evaluated on…", False)

        def work() -> None:
            from tui_finetune.planning.evaluation_rows import evaluation_set

            try:
                rows = evaluation_set(run)
            except UserError as error:
                words = f"✗ {error.message} — {error.remedy}"
                self._host.back(lambda: self._read_in_vain(words))
            except Exception:
                self._host.back(lambda: self._read_in_vain("✗ the rows could not be read; the log says why"))
                raise
            else:
                self._host.back(lambda: self._have(run, rows, rest))

        self._host.work(work, group="chat", description="reading rows")

    def _read_in_vain(self, words: str) -> None:
        self._reading = False
        self._note(words, True)

    def _have(self, run: RunDirectory, rows: list[Asked], rest: str) -> None:
        self._reading = False
        self._run, self._rows, self._next = run, rows, 0
        try:
            self._ask_row(rest)
        except UserError as error:
            self._note(f"✗ {error.message} — {error.remedy}", True)

    def _ask_row(self, rest: str) -> None:
        number = int(rest) - 1 if rest else self._next % len(self._rows)
        if number >= len(self._rows):
            raise UserError(f"there are {len(self._rows)} rows", "take one of them, or `/row` for the next")
        self._next = number + 1
        self._note(f"Row {number + 1} of {len(self._rows)} that it is evaluated on.", False)
        self._ask(self._rows[number])
