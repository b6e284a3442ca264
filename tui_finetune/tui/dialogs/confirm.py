"""A small question with a few answers, each one key away."""

from __future__ import annotations

from dataclasses import dataclass

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.events import Key
from textual.widgets import Button, Static

from tui_finetune.tui.dialogs.dialog import Dialog


@dataclass(frozen=True)
class Choice:
    """One answer: what is returned, the key that gives it, and the words on its button."""

    answer: str
    key: str
    label: str


class Confirm(Dialog[str | None]):
    """Asks, and returns the answer that was chosen; None on escape.

    Args:
        question: one line.
        consequence: what follows from the answers, in a sentence or two.
        choices: the answers; the first is the safe one and has the focus.
    """

    BINDINGS = [
        Binding("escape", "dismiss(None)", "Back", show=False),
        Binding("left", "app.focus_previous", show=False),
        Binding("right", "app.focus_next", show=False),
    ]

    def __init__(self, question: str, consequence: str, choices: list[Choice]) -> None:
        super().__init__()
        self.question = question
        self.consequence = consequence
        self.choices = choices

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog"):
            yield Static(self.question, id="question", markup=False)
            yield Static(self.consequence, id="consequence", markup=False)
            with Horizontal(id="answers"):
                for choice in self.choices:
                    key = "esc" if choice.key == "escape" else choice.key
                    button = Button(f"{key}  {choice.label}", id=f"answer-{choice.answer}", compact=True)
                    yield button

    def on_button_pressed(self, event: Button.Pressed) -> None:
        self.dismiss((event.button.id or "").removeprefix("answer-"))

    def on_key(self, event: Key) -> None:
        for choice in self.choices:
            if event.key == choice.key and event.key != "escape":
                # Otherwise the screen below, in front by then, would take the key for its own.
                event.stop()
                self.dismiss(choice.answer)
                return
