"""What all dialogs have in common: they are answered once."""

from __future__ import annotations

from typing import TypeVar

from textual.await_complete import AwaitComplete
from textual.screen import ModalScreen

Result = TypeVar("Result")


class Dialog(ModalScreen[Result]):
    """Something over a tab that goes away with its answer.

    Keys may come faster than a screen goes away: only the first answer counts, and only of what is in front. Textual
    would take away whatever lies on top.
    """

    _is_answered = False

    def dismiss(self, result: Result | None = None) -> AwaitComplete:
        if self._is_answered or not self.is_current:
            nothing: AwaitComplete = AwaitComplete.nothing()
            return nothing
        self._is_answered = True
        return super().dismiss(result)

    def take_back(self) -> None:
        """Go away without an answer, if it is in front."""
        if self.is_mounted:
            self.dismiss(None)
