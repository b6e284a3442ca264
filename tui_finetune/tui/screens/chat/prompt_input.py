"""The lines in which a prompt is written."""

from __future__ import annotations

from textual import events
from textual.binding import Binding
from textual.content import Content
from textual.message import Message
from textual.widgets import TextArea

from tui_finetune.chat.commands import completions
from tui_finetune.chat.history import PromptHistory


class PromptInput(TextArea):
    """Where a prompt is written: enter sends it, ctrl+o begins a new line; at its first and last line up and down bring
    earlier prompts back, tab completes a command."""

    BINDINGS = [
        Binding("enter", "submit", "Send", show=False, priority=True),
        Binding("ctrl+o,alt+enter", "new_line", "New line", show=False, id="chat.line", key_display="ctrl+o",
                tooltip="Begin a new line of the prompt; a line that ends in \\ does too"),
        Binding("up", "recall(-1)", "Earlier prompt", show=False, id="chat.recall",
                tooltip="Bring an earlier prompt back; down goes the other way"),
        Binding("down", "recall(1)", "Later prompt", show=False),
        Binding("tab", "complete", "Complete", show=False, id="chat.complete", tooltip="Complete a command: /se becomes /set"),
    ]  # fmt: skip

    class Sent(Message):
        """Enter was pressed."""

        def __init__(self, prompt: PromptInput) -> None:
            super().__init__()
            self.prompt = prompt

    def __init__(self, history: PromptHistory, *, id: str, placeholder: str) -> None:
        super().__init__(id=id, placeholder=Content(placeholder), compact=True, tab_behavior="focus")
        self._history = history

    @property
    def value(self) -> str:
        """What is written."""
        return self.text

    @value.setter
    def value(self, text: str) -> None:
        self.text = text
        self.move_cursor(self.document.end)

    def type(self, characters: str) -> None:
        """Write something where the cursor is."""
        self.insert(characters)

    def say_how(self, placeholder: str) -> None:
        """What stands here while nothing is written."""
        self.placeholder = Content(placeholder)

    async def _on_key(self, event: events.Key) -> None:
        if event.key == "enter":  # the text area would take it for a new line
            event.stop()
            event.prevent_default()
            self.action_submit()
            return
        await super()._on_key(event)

    def action_submit(self) -> None:
        if self.text.endswith("\\"):
            self.value = self.text[:-1] + "\n"
        else:
            self.post_message(self.Sent(self))

    def action_new_line(self) -> None:
        self.insert("\n")

    def action_recall(self, by: int) -> None:
        row = self.cursor_location[0]
        if (by < 0 < row) or (by > 0 and row < self.document.line_count - 1):
            if by < 0:
                self.action_cursor_up()
            else:
                self.action_cursor_down()
            return
        self.value = self._history.go(by, self.value)

    def action_complete(self) -> None:
        found = completions(self.text)
        if len(found) == 1:
            self.value = found[0] if found[0].endswith(" ") else f"{found[0]} "
        elif found:
            common = found[0]
            while not all(line.startswith(common) for line in found):
                common = common[:-1]
            self.value = common
            self.notify("  ".join(found), timeout=4, markup=False)
