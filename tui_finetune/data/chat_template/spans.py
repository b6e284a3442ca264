"""Texts in messages replaced by marks, to see where a chat template puts them, and found again in the real rendering.

A template may do with a text what it likes: trim it, move it, drop thoughts of earlier turns, put its own words between.
So nothing is assumed. The conversation is rendered with a mark in place of each text, which shows the words that are
the template's own; the real rendering must then be exactly these words with the texts between them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tui_finetune.data.formats.turns import Message

THOUGHT = re.compile(r"\A(\s*(?:<think>)?\s*)(.*?)(\s*</think>\s*)(.*)\Z", re.DOTALL)
_FIELDS = ("reasoning_content", "content", "input")


class Text(NamedTuple):
    """A text in a conversation.

    Attributes:
        message: the number of its message.
        text: itself.
        optional: whether templates may leave it out.
        lead: what stands before it in its message; None where the template's own words do, as before a thought or the
            name of a tool.
        named: whether it is the name of a tool, which templates say again where the tool answers.
    """

    message: int
    text: str
    optional: bool
    lead: str | None = ""
    named: bool = False


def mark(number: int) -> str:
    """Two characters that no text has, with a number between them."""
    return f"\ue0f0{number}\ue0f1"


def with_marks(messages: Sequence[Message], *, only_replies: bool = False) -> tuple[list[Message], list[Text]]:
    """The messages with a mark in place of each text, and the texts by the number of their mark.

    Empty texts stay as they are, for templates often ask whether there is any. Thoughts before a reply, written between
    <think> and </think>, have a mark of their own. Of tool calls the name is marked.

    Args:
        messages: a conversation.
        only_replies: mark only what the assistant says.
    """
    marked: list[Message] = []
    texts: list[Text] = []
    for number, message in enumerate(messages):
        new = {key: value for key, value in message.items() if key != "trained"}
        marked.append(new)
        is_reply = message["role"] == "assistant"
        if only_replies and not is_reply:
            continue
        for key in _FIELDS:
            text = message.get(key)
            if not text or not text.strip():
                continue
            thought = THOUGHT.match(text) if is_reply and key == "content" else None
            if thought is None:
                new[key] = mark(len(texts))
                own = key == "reasoning_content"
                texts.append(Text(number, text, optional=own, lead=None if own else ""))
                continue
            before, inner, between, rest = thought.groups()
            new[key] = before
            for part, optional, after in ((inner, True, between), (rest, False, "")):
                if part.strip():
                    lead = new[key] if optional or not inner.strip() else ""
                    new[key] += mark(len(texts))
                    texts.append(Text(number, part, optional, lead))
                new[key] += after
        if calls := message.get("tool_calls"):
            new["tool_calls"] = []
            for call in calls:
                name = call["function"]["name"]
                new["tool_calls"].append({**call, "function": {**call["function"], "name": mark(len(texts))}})
                texts.append(Text(number, name, optional=False, lead=None, named=True))
    return marked, texts


@dataclass(frozen=True)
class Skeleton:
    """A rendering taken apart at its marks.

    Attributes:
        pieces: the template's words, one more than there are marks in the rendering.
        found: the numbers of the marks, in order.
    """

    pieces: list[str]
    found: list[int]

    @property
    def text(self) -> str:
        return "".join(piece + tail for piece, tail in zip(self.pieces, [*map(mark, self.found), ""], strict=True))


_MARK = re.compile("\ue0f0(\\d+)\ue0f1")


def take_apart(rendering: str) -> Skeleton:
    """The rendering of marked messages as a skeleton."""
    parts = _MARK.split(rendering)
    return Skeleton(parts[::2], [int(number) for number in parts[1::2]])


def place_texts(rendering: str, skeleton: Skeleton, texts: Sequence[Text]) -> list[int] | None:
    """Where each piece of the skeleton begins in the real rendering; None where it isn't made of these and the texts.

    Args:
        rendering: of the real messages.
        skeleton: of the marked ones.
        texts: by the number of their mark.
    """
    starts = [0]
    position = 0
    if not rendering.startswith(skeleton.pieces[0]):
        return None
    for number, piece, following in zip(skeleton.found, skeleton.pieces, skeleton.pieces[1:], strict=False):
        position += len(piece)
        for form in _forms(texts[number].text):
            end = position + len(form)
            if rendering.startswith(form, position) and rendering.startswith(following, end):
                break
        else:
            return None
        starts.append(end)
        position = end
    return starts if position + len(skeleton.pieces[-1]) == len(rendering) else None


def _forms(text: str) -> Iterator[str]:
    """What templates make of a text: as it is, trimmed in one of the usual ways, or as the inside of a JSON string."""
    yield text
    if text[0].isspace() or text[-1].isspace():
        yield from (text.strip(), text.strip("\n"), text.lstrip(), text.rstrip(), text.lstrip("\n"), text.rstrip("\n"))
    quoted = json.dumps(text, ensure_ascii=False)[1:-1]
    if quoted != text:
        yield quoted


def common(one: str, other: str) -> int:
    """How many characters two texts have in common at their beginning."""
    if one.startswith(other):
        return len(other)
    for number, (a, b) in enumerate(zip(one, other, strict=False)):
        if a != b:
            return number
    return min(len(one), len(other))


def replies(messages: Sequence[Message]) -> list[int]:
    """The numbers of the assistant's messages that are trained on."""
    return [n for n, m in enumerate(messages) if m["role"] == "assistant" and m.get("trained", True)]


def key_of(marked: Sequence[Message], tools: object) -> str:
    """A name for all conversations whose marked messages are the same."""
    return json.dumps([marked, tools], ensure_ascii=True, default=str)
