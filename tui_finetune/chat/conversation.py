"""A conversation with a model: what it is given for a prompt, and what is remembered of the reply."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Literal

Style = Literal["turns", "text"]
"""'turns': prompt and reply are turns that the model's chat template tells apart; 'text': the model continues a text."""

MessageList = list[dict[str, str]]


@dataclass
class Conversation:
    """What was said so far, as the model sees it.

    Attributes:
        style: how the model is talked to.
        messages: the turns, oldest first, as chat templates take them.
        text: what has been continued last, prompt and continuation together.
    """

    style: Style = "text"
    messages: MessageList = field(default_factory=list)
    text: str = ""

    def prompt_for(self, words: str) -> str | MessageList:
        """What the model is given for these words. Where it continues text, no words go on with the last text."""
        if self.style == "turns":
            return [*self.messages, {"role": "user", "content": words}]
        return words or self.text

    def can_send(self, words: str) -> bool:
        """Whether there is anything to reply to."""
        return bool(words.strip()) or (self.style == "text" and bool(self.text))

    def keep(self, words: str, reply: str) -> None:
        """Remember a reply, also one that was stopped: the model goes on from what is on the screen."""
        if self.style == "turns":
            self.messages += [{"role": "user", "content": words}, {"role": "assistant", "content": reply}]
        else:
            self.text = (words or self.text) + reply

    def forget(self) -> None:
        """Begin anew."""
        self.messages = []
        self.text = ""


class TextBuffer:
    """Text on its way from the thread that writes it to the one that shows it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pieces: list[str] = []

    def add(self, piece: str) -> None:
        with self._lock:
            self._pieces.append(piece)

    def take(self) -> str:
        """What was added since the last call."""
        with self._lock:
            pieces, self._pieces = self._pieces, []
        return "".join(pieces)


class PromptHistory:
    """The prompts of this session, gone through with up and down."""

    def __init__(self) -> None:
        self._prompts: list[str] = []
        self._at = 0
        self._draft = ""

    def add(self, prompt: str) -> None:
        """Remember a prompt, once where it is sent several times in a row."""
        if prompt and (not self._prompts or self._prompts[-1] != prompt):
            self._prompts.append(prompt)
        self._at = len(self._prompts)

    def go(self, by: int, shown: str) -> str:
        """The prompt so many places away, -1 being the one before; after the last comes what was being written."""
        if self._at == len(self._prompts):
            self._draft = shown
        self._at = min(max(self._at + by, 0), len(self._prompts))
        return self._draft if self._at == len(self._prompts) else self._prompts[self._at]
