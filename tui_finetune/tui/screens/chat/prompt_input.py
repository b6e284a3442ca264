"""The line in which a prompt is written."""

from __future__ import annotations

from textual.binding import Binding
from textual.widgets import Input

from tui_finetune.chat.conversation import PromptHistory


class PromptInput(Input):
    """The line in which a prompt is written; up and down bring earlier ones back."""

    BINDINGS = [
        Binding("up", "recall(-1)", "Earlier prompt", show=False, id="chat.recall",
                tooltip="Bring an earlier prompt back; down goes the other way"),
        Binding("down", "recall(1)", "Later prompt", show=False),
    ]  # fmt: skip

    def __init__(self, history: PromptHistory, *, id: str, placeholder: str) -> None:
        super().__init__(id=id, placeholder=placeholder, compact=True)
        self._history = history

    def action_recall(self, by: int) -> None:
        self.value = self._history.go(by, self.value)
        self.cursor_position = len(self.value)
