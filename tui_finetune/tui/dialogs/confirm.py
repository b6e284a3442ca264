"""A small question with a few answers, each one key away."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.events import Key
from textual.widgets import Button, Static

from tui_finetune.tui.dialogs.dialog import Dialog
from tui_finetune.tui.question import Question


class Confirm(Dialog[str | None]):
    """Asks, and returns the answer that was chosen; None on escape.

    Keys that are no answer do nothing here, and nothing to what lies below.
    """

    BINDINGS = [
        Binding("escape", "dismiss(None)", "Back", show=False),
        Binding("left", "app.focus_previous", show=False),
        Binding("right", "app.focus_next", show=False),
    ]

    def __init__(self, question: Question) -> None:
        super().__init__()
        self.question = question

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog"):
            yield Static(self.question.question, id="question", markup=False)
            yield Static(self.question.consequence, id="consequence", markup=False)
            with Horizontal(id="answers"):
                for choice in self.question.choices:
                    key = "esc" if choice.key == "escape" else choice.key
                    yield Button(f"{key}  {choice.label}", id=f"answer-{choice.answer}", compact=True)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        self.dismiss((event.button.id or "").removeprefix("answer-"))

    def on_key(self, event: Key) -> None:
        for choice in self.question.choices:
            if event.key == choice.key and event.key != "escape":
                # Otherwise the screen below, in front by then, would take the key for its own.
                event.stop()
                self.dismiss(choice.answer)
                return
