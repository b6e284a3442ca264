"""A conversation as it is read: prompts, replies as they are written, and quiet lines on how they were made."""

from __future__ import annotations

from collections.abc import Callable

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Markdown, Static

from tui_finetune.chat.conversation import Style

_MARKS = ("```", "**", "\n#", "\n- ", "\n* ", "\n1. ", "`", "|--", "| -")
LONGEST_MARKDOWN = 50_000
"""Characters beyond which a reply is shown as it is: laying it out would hold up the screen."""


def looks_marked(text: str) -> bool:
    """Whether a text is worth showing as Markdown."""
    return len(text) <= LONGEST_MARKDOWN and any(mark in f"\n{text}" for mark in _MARKS)


class Exchange(Vertical):
    """A prompt and its reply. All text is shown literally, but for a whole reply of a model that was taught turns, which
    is shown as the Markdown that it is.

    Args:
        prompt: what was written.
        style: 'turns' shows the reply below the prompt, 'text' the prompt and its continuation as one text.
    """

    DEFAULT_CSS = """
    Exchange { height: auto; margin-bottom: 1; }
    Exchange .said { border-left: outer $primary; padding-left: 1; margin-bottom: 1; color: $foreground; }
    Exchange Markdown { padding: 0; margin: 0; height: auto; background: transparent; }
    Exchange .caption, Exchange .expected { color: $text-muted; }
    Exchange .caption.-problem { color: $error; }
    """

    def __init__(self, prompt: str, style: Style) -> None:
        super().__init__()
        self.prompt = prompt
        self.style = style
        self.reply = ""
        self.caption = ""
        self.is_over = False
        self.went_wrong = False

    def compose(self) -> ComposeResult:
        if self.style == "turns":
            yield Static(Content(self.prompt), classes="said", markup=False)
        yield Static(self._text(), classes="reply", markup=False)
        yield Static("", classes="caption", markup=False)

    def on_mount(self) -> None:
        self._show()  # a quick reply may be over before this is on the screen

    def _text(self) -> Content:
        end = "" if self.is_over else " …" if self.reply else "…"
        said = "" if self.style == "turns" else self.prompt
        return Content.assemble((said, "bold $primary"), self.reply, (end, "$foreground 50%"))

    def _show(self) -> None:
        if not self.children:
            return
        self.query_one(".reply", Static).update(self._text())
        line = self.query_one(".caption", Static)
        line.set_class(self.went_wrong, "-problem")
        line.update(Content(self.caption))

    def add(self, text: str) -> None:
        """Show more of the reply."""
        self.reply += text
        self._show()

    def finish(self, caption: str, *, problem: bool = False, expected: str = "") -> None:
        """The reply is over; say how it was made, or what went wrong, and which answer was expected."""
        if expected and self.children:
            self.mount(Static(Content(f"expected: {expected.strip()}"), classes="expected", markup=False))
        self.caption, self.went_wrong, self.is_over = caption, problem, True
        self._show()
        if self.style == "turns" and self.children and looks_marked(self.reply):
            literal = self.query_one(".reply", Static)
            literal.display = False
            self.mount(Markdown(self.reply, open_links=False), after=literal)

    def go_on(self) -> None:
        """More of the reply comes."""
        self.is_over, self.caption = False, ""
        self.query(Markdown).remove()
        self.query_one(".reply", Static).display = True
        self._show()


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

    def __init__(self, take_key: Callable[[events.Event], bool], *, id: str) -> None:
        super().__init__(id=id)
        self._take_key = take_key

    def _forward_event(self, event: events.Event) -> None:
        if not self._take_key(event):
            super()._forward_event(event)

    def follow(self, *, always: bool = False) -> None:
        """Scroll to the end once what was just added is laid out. To be called right after adding it."""
        if always or self.max_scroll_y - self.scroll_y <= 1:
            self.scroll_end(animate=False)
