"""A small question that is answered by typing a line."""

from __future__ import annotations

from collections.abc import Callable

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Input, Static

from tui_finetune.tui.dialogs.dialog import Dialog


class Ask(Dialog[str | None]):
    """Asks for a line, and returns it; None on escape.

    Args:
        question: one line.
        explanation: a sentence on what becomes of the answer.
        suggestion: what stands in the input at first.
        check: says what is wrong with an answer, '' where nothing is; a wrong answer is not taken.
    """

    CSS_PATH = "ask.tcss"
    BINDINGS = [Binding("escape", "dismiss(None)", "Back", show=False)]

    def __init__(
        self, question: str, explanation: str, suggestion: str = "", check: Callable[[str], str] | None = None
    ) -> None:
        super().__init__()
        self.question = question
        self.explanation = explanation
        self.suggestion = suggestion
        self.check = check or (lambda answer: "")

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog"):
            yield Static(self.question, id="question", markup=False)
            yield Input(self.suggestion, compact=True, id="answer")
            yield Static("", id="wrong", markup=False)
            yield Static(self.explanation, id="explanation", markup=False)
            yield Static("enter selects  ·  esc cancels", id="keys", markup=False)

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self.query_one("#wrong", Static).update("")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        answer = event.value.strip()
        wrong = self.check(answer) if answer else "Type something, or press esc to cancel."
        if wrong:
            self.query_one("#wrong", Static).update(Content(f"✗ {wrong}"))
        else:
            self.dismiss(answer)
