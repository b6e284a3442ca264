"""Turns of conversations: what a list of them is, and the messages that they become."""

from __future__ import annotations

import json
from typing import Any, TypeGuard

Message = dict[str, Any]
"""A message as chat templates take it: `role` ('system', 'user', 'assistant', 'tool') and `content`, and where there is any,
`reasoning_content`, `tool_calls` (in the form of OpenAI's functions), `name`; a user's may have an `input` (see
`chat_template.choose.ALPACA`), an assistant's `trained`, False where it isn't trained on."""

Tools = list[Any]
"""Definitions of the tools that the assistant may call, as JSON has them."""

TURN_LISTS = ("messages", "conversations", "conversation")
"""Columns that usually hold the turns of a conversation, the most usual first."""

TURN_KEYS = (("role", "content"), ("from", "value"))
"""Who speaks, and what is said."""

ROLES = {
    "system": "system", "developer": "system",
    "user": "user", "human": "user",
    "assistant": "assistant", "gpt": "assistant", "chatgpt": "assistant", "model": "assistant", "bot": "assistant",
    "tool": "tool", "function": "tool", "observation": "tool", "function_response": "tool", "tool_response": "tool",
    "ipython": "tool",
    "function_call": "call", "tool_call": "call",
}  # fmt: skip
"""What data sets call those who speak. 'call' is an assistant's turn whose text is a call of a tool, as JSON."""


def turns_in(value: object) -> list[object] | None:
    """As `listed`, and a single turn, which may be written as JSON, as a list of it."""
    value = _from_json(value)
    return [value] if is_turn(value) and not _is_table(value) else listed(value)


def listed(value: object) -> list[object] | None:
    """A list that is one, that is written as JSON, or that is a table of columns; None for anything else."""
    value = _from_json(value)
    if isinstance(value, dict) and _is_table(value):
        # Older data sets keep a list of objects as an object of lists.
        return [dict(zip(value, items, strict=False)) for items in zip(*value.values(), strict=False)]
    return value if isinstance(value, list) else None


def is_turn(value: object) -> TypeGuard[Message]:
    """Whether it is an object that says who speaks, and what is said or which tools are called."""
    return isinstance(value, dict) and any(
        who in value and (what in value or "tool_calls" in value) for who, what in TURN_KEYS
    )


def turn_of(role: str) -> str:
    """'an assistant turn', 'a user turn'."""
    return f"{'an' if role[:1] in 'aeio' else 'a'} {role} turn"


def _from_json(value: object) -> object:
    """What a text in JSON says, None for other texts; anything else as it is."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return None


def _is_table(value: Message) -> bool:
    return bool(value) and all(isinstance(items, list) for items in value.values())
