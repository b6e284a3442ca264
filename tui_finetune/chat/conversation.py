"""A conversation with a model: what it is given for a prompt, and what is remembered of the reply."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
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
        system: what the model is told before anything is said; '' for nothing. Text models are told nothing.
        messages: the turns, oldest first, as chat templates take them, without the system's.
        text: what has been continued last, prompt and continuation together.
    """

    style: Style = "text"
    system: str = ""
    messages: MessageList = field(default_factory=list)
    text: str = ""
    _before: list[tuple[str, str]] = field(default_factory=list)

    def prompt_for(self, words: str) -> str | MessageList:
        """What the model is given for these words. Where it continues text, no words go on with the last text; in turns,
        no words let it go on with its last reply."""
        if self.style == "text":
            return words or self.text
        system = [{"role": "system", "content": self.system}] if self.system else []
        return [*system, *self.messages, *([{"role": "user", "content": words}] if words else [])]

    def can_send(self, words: str) -> bool:
        """Whether there is anything to reply to."""
        return bool(words.strip()) or self.can_continue

    @property
    def can_continue(self) -> bool:
        """Whether there is something that the model can go on with."""
        return bool(self.text) if self.style == "text" else bool(self.messages)

    def keep(self, words: str, reply: str) -> None:
        """Remember a reply, also one that was stopped: the model goes on from what is on the screen."""
        if self.style == "text":
            self._before.append((words, self.text))
            self.text = (words or self.text) + reply
        elif words:
            self.messages += [{"role": "user", "content": words}, {"role": "assistant", "content": reply}]
        elif self.messages:
            self.messages[-1] = {"role": "assistant", "content": self.messages[-1]["content"] + reply}

    def undo(self) -> str | None:
        """Take back the last prompt and its reply; the prompt, or None where nothing was said."""
        if self.style == "text":
            if not self._before:
                return None
            words, self.text = self._before.pop()
            return words
        asked = [place for place, message in enumerate(self.messages) if message["role"] == "user"]
        if not asked:
            return None
        words = self.messages[asked[-1]]["content"]
        del self.messages[asked[-1] :]
        return words

    def begin_with(self, messages: Sequence[Mapping[str, str]]) -> None:
        """Begin anew after these messages; of a system message only where nothing else is to be said first."""
        self.forget()
        self.messages = [dict(said) for said in messages if said["role"] != "system" or not self.system]

    def forget(self) -> None:
        """Begin anew; what the model is told before stays."""
        self.messages = []
        self.text = ""
        self._before = []


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
