"""A conversation as it is read: prompts, replies as they are written, and quiet lines on how they were made."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from tui_finetune.conversation import Style


class Exchange(Vertical):
    """A prompt and its reply. All text is shown literally.

    Args:
        prompt: what was written.
        style: 'turns' shows the reply below the prompt, 'text' the prompt and its continuation as one text.
    """

    DEFAULT_CSS = """
    Exchange { height: auto; margin-bottom: 1; }
    Exchange .said { border-left: outer $primary; padding-left: 1; margin-bottom: 1; color: $foreground; }
    Exchange .caption { color: $text-muted; }
    Exchange .caption.-problem { color: $error; }
    """

    def __init__(self, prompt: str, style: Style) -> None:
        super().__init__()
        self.prompt = prompt
        self.style = style
        self.reply = ""

    def compose(self) -> ComposeResult:
        if self.style == "turns":
            yield Static(Content(self.prompt), classes="said", markup=False)
        yield Static(self._text("…"), classes="reply", markup=False)
        yield Static("", classes="caption", markup=False)

    def _text(self, end: str = "") -> Content:
        if self.style == "turns":
            return Content.assemble(self.reply, (end, "$foreground 50%"))
        return Content.assemble((self.prompt, "bold $primary"), self.reply, (end, "$foreground 50%"))

    def add(self, text: str) -> None:
        """Show more of the reply."""
        self.reply += text
        self.query_one(".reply", Static).update(self._text(" …"))

    def finish(self, caption: str, *, problem: bool = False) -> None:
        """The reply is over; say how it was made, or what went wrong."""
        self.query_one(".reply", Static).update(self._text())
        line = self.query_one(".caption", Static)
        line.set_class(problem, "-problem")
        line.update(Content(caption))


class Note(Static):
    """A quiet line between exchanges."""

    DEFAULT_CSS = """
    Note { color: $text-muted; margin-bottom: 1; height: auto; }
    Note.-problem { color: $error; }
    """

    def __init__(self, words: str, *, problem: bool = False) -> None:
        super().__init__(Content(words), markup=False, classes="-problem" if problem else "")


class Conversed(VerticalScroll):
    """What was said; follows the end unless somebody scrolled up. enter goes back to writing."""

    BINDINGS = [Binding("enter", "screen.write", "Write", show=False)]

    def follow(self, *, always: bool = False) -> None:
        """Scroll to the end once what was just added is laid out. To be called right after adding it."""
        if always or self.max_scroll_y - self.scroll_y <= 1:
            self.scroll_end(animate=False)
