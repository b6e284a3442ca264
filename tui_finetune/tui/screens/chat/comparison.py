"""One prompt and the replies of several models, in columns; stacked where there is little room."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

from textual import events
from textual.app import ComposeResult
from textual.containers import Container, Vertical
from textual.content import Content
from textual.widgets import Static

LEAST_WIDTH = 34
"""Columns of the terminal below which a column of text is too narrow to read."""

MOST_WORDS = 2000
"""Replies longer than that are not compared word by word."""

DIFFERENT = "bold underline"

LEAST_SHARED = 0.4
"""Share of words in common below which none is marked: marks on nearly every word tell nothing."""


def differing(text: str, other: str) -> Content:
    """A text with the words marked that another doesn't have in that place: bold and underlined."""
    mine, theirs = (re.findall(r"\S+|\s+", said) for said in (text, other))
    if max(len(mine), len(theirs)) > MOST_WORDS:
        return Content(text)
    matcher = difflib.SequenceMatcher(None, mine, theirs, autojunk=False)
    same: set[int] = set()
    for block in matcher.get_matching_blocks():
        same.update(range(block.a, block.a + block.size))
    words = [place for place, word in enumerate(mine) if not word.isspace()]
    if sum(place in same for place in words) < LEAST_SHARED * len(words):
        return Content(text)
    return Content.assemble(
        *(word if place in same or word.isspace() else (word, DIFFERENT) for place, word in enumerate(mine))
    )


class Column(Vertical):
    """The reply of one model.

    Args:
        label: the model's name.
    """

    def __init__(self, label: str) -> None:
        super().__init__()
        self.label = label
        self.reply = ""
        self.caption = ""

    def compose(self) -> ComposeResult:
        yield Static(Content.styled(self.label, "bold $accent"), classes="label", markup=False)
        yield Static("…", classes="reply", markup=False)
        yield Static("", classes="caption", markup=False)

    def show(self, words: Content, caption: str) -> None:
        """Show the reply and how it was made."""
        if self.children:
            self.query_one(".reply", Static).update(words)
            self.query_one(".caption", Static).update(Content(caption))


class Comparison(Vertical):
    """A prompt, and what several models make of it. All text is shown literally.

    Args:
        prompt: what all were given.
        labels: the models' names.
        text: whether they continue it.
    """

    DEFAULT_CSS = """
    Comparison { height: auto; margin-bottom: 1; }
    Comparison .said { border-left: outer $primary; padding-left: 1; margin-bottom: 1; color: $foreground; }
    Comparison .columns { layout: horizontal; height: auto; }
    Comparison Column { height: auto; width: 1fr; padding-right: 2; }
    Comparison .columns.-stacked { layout: vertical; }
    Comparison .columns.-stacked Column { width: 100%; margin-bottom: 1; }
    Comparison .caption, Comparison .expected { color: $text-muted; }
    Comparison .label { text-wrap: nowrap; text-overflow: ellipsis; }
    """

    def __init__(self, prompt: str, labels: Sequence[str], *, text: bool) -> None:
        super().__init__()
        self.prompt = prompt
        self.labels = list(labels)
        self.is_over = False
        self._text = text

    def compose(self) -> ComposeResult:
        yield Static(Content(self.prompt), classes="said", markup=False)
        with Container(classes="columns"):
            for label in self.labels:
                yield Column(label)

    def on_mount(self) -> None:
        self._show()

    def on_resize(self, event: events.Resize) -> None:
        for columns in self.query(".columns"):
            columns.set_class(event.size.width < LEAST_WIDTH * len(self.labels), "-stacked")

    @property
    def columns(self) -> list[Column]:
        """A column for each model, in order."""
        return list(self.query(Column))

    def add(self, texts: Sequence[str]) -> None:
        """Show more of the replies, a piece for each."""
        for column, text in zip(self.columns, texts, strict=False):
            if text:
                column.reply += text
        self._show()

    def finish(self, captions: Sequence[str], expected: str = "") -> None:
        """The replies are over: mark the words that differ, and say how each was made."""
        self.is_over = True
        for column, caption in zip(self.columns, captions, strict=False):
            column.caption = caption
        if expected:
            self.mount(Static(Content(f"expected: {expected.strip()}"), classes="expected", markup=False))
        self._show()

    def _show(self) -> None:
        columns = self.columns
        for place, column in enumerate(columns):
            if self.is_over and len(columns) > 1:
                other = columns[0 if place else 1]
                words = differing(column.reply, other.reply)
            else:
                words = Content(f"{column.reply} …" if column.reply else "…")
            if self.is_over and not column.reply:
                words = Content("(nothing)")
            column.show(words, column.caption)
