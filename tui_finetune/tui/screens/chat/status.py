"""What stands around a conversation: whom it is with at the top, what is being done at the bottom."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from tui_finetune.errors import UserError

QUIET = "$foreground 60%"
SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


class ChatHead(Vertical):
    """Two lines: the model and how it is talked to, and the sampling settings."""

    def compose(self) -> ComposeResult:
        yield Static("", id="with", markup=False)
        yield Static("", id="sampling", markup=False)

    def show(self, label: str, kind: str, sampling: str) -> None:
        """Show the model's name, a word or two on how it is talked to, and the sampling settings."""
        words = Content.assemble(("with  ", QUIET), (label, "bold"), (f"  ·  {kind}", QUIET))
        self.query_one("#with", Static).update(words)
        self.query_one("#sampling", Static).update(Content(sampling))


class StatusLine(Static):
    """What is being done, with a mark that turns as long as `turn` is called; or what went wrong."""

    def __init__(self, *, id: str) -> None:
        super().__init__("", id=id, markup=False)
        self._turns = 0

    def turn(self) -> None:
        """Turn the mark on, the next time that something is shown."""
        self._turns += 1

    def show_problem(self, problem: UserError) -> None:
        """Say what went wrong."""
        self.add_class("-problem")
        self.update(Content(f"✗ {problem.message} — {problem.remedy}"))

    def show(self, words: str, *, turning: bool = False) -> None:
        """Say what is being done; '' for nothing.

        Args:
            words: a few words.
            turning: it goes on by itself.
        """
        self.remove_class("-problem")
        self.update(Content(f"{SPINNER[self._turns % len(SPINNER)]} {words}" if turning else words))
