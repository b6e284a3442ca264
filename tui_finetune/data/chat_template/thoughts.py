"""Thoughts that a chat template leaves out, written into the replies that they belong to.

Templates look for <think> and </think> in replies to cut the thoughts out. So these are hidden from them: each is one
character that no text has, which is the word again when the conversation is rendered.
"""

from __future__ import annotations

from collections.abc import Sequence, Set

from tui_finetune.data.chat_template.spans import THOUGHT
from tui_finetune.data.formats.turns import Message

_HIDDEN = {"<think>": "\ue0f2", "</think>": "\ue0f3", "[THINK]": "\ue0f4", "[/THINK]": "\ue0f5"}


def with_thoughts(
    messages: Sequence[Message], numbers: Set[int], words: tuple[str, str] | None
) -> list[Message] | None:
    """The messages with the thoughts of some in their texts, hidden from templates.

    Args:
        messages: a conversation.
        numbers: of the messages whose thoughts a template leaves out.
        words: what stands before a thought, and between it and the reply; None where it can't be done.
    """
    if words is None:
        return None
    before, between = words
    result = [dict(message) for message in messages]
    for number in numbers:
        message = result[number]
        thought, content = message.pop("reasoning_content", None), str(message.get("content") or "")
        if thought is None:
            if (found := THOUGHT.match(content)) is None:
                return None
            thought, content = found.group(2), found.group(4)
        message["content"] = _hidden(before) + thought.strip("\n") + _hidden(between) + content.lstrip("\n")
    return result


def _hidden(text: str) -> str:
    for word, sign in _HIDDEN.items():
        text = text.replace(word, sign)
    return text


def unhidden(text: str) -> str:
    """A rendering with the words again that were hidden."""
    for word, sign in _HIDDEN.items():
        text = text.replace(sign, word)
    return text
