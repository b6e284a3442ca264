"""What a chat template can put into words, and conversations fitted to one that can't do all."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Sequence

from tui_finetune.data.formats.turns import Message, Tools
from tui_finetune.data.segments import Unfit

_CALL: Message = {
    "type": "function",
    "id": "call00001",
    "function": {"name": "findmark", "arguments": {"argmark": "valuemark"}},
}
_TOOL: dict[str, object] = {
    "type": "function",
    "function": {
        "name": "toolmark", "description": "Finds.",
        "parameters": {"type": "object", "properties": {"argmark": {"type": "string", "description": "What."}}},
    },
}  # fmt: skip


class Capabilities:
    """Tries a template out, once for each thing."""

    def __init__(self, render: Callable[[Sequence[Message], Tools | None], str]) -> None:
        """
        Args:
            render: puts messages and tools into words; raises Unfit where the template refuses them.
        """
        self._render = render

    def _says(self, words: Sequence[str], messages: list[Message], tools: Tools | None = None) -> bool:
        try:
            rendering = self._render(messages, tools)
        except Unfit:
            return False
        return all(word in rendering for word in words)

    @functools.cached_property
    def system(self) -> bool:
        """Whether a system's message may come first."""
        messages = [_said("system", "systemmark"), _said("user", "a"), _said("assistant", "b")]
        return self._says(["systemmark"], messages)

    @functools.cached_property
    def calls(self) -> bool:
        """Whether the assistant may call tools, and the tools answer."""
        call = {**_said("assistant", ""), "tool_calls": [_CALL]}
        answer = {**_said("tool", "answermark"), "name": "findmark", "tool_call_id": "call00001"}
        messages = [_said("user", "a"), call, answer, _said("assistant", "b")]
        return self._says(["findmark", "valuemark", "answermark"], messages)

    @functools.cached_property
    def tools(self) -> bool:
        """Whether the tools that there are may be listed."""
        return self._says(["toolmark"], [_said("user", "a"), _said("assistant", "b")], [_TOOL])

    @functools.cached_property
    def answers(self) -> bool:
        """Whether tools may answer, even if they can't be called."""
        call, answer = _said("assistant", "findmark"), _said("tool", "answermark")
        return self._says(["answermark"], [_said("user", "a"), call, answer, _said("assistant", "b")])


def _said(role: str, content: str) -> Message:
    return {"role": role, "content": content}


def adapt(
    messages: Sequence[Message], tools: Tools | None, capabilities: Capabilities, *, takes_input: bool
) -> tuple[list[Message], Tools | None]:
    """The conversation as the template can put it into words, so that nothing of it is lost.

    An input stands below its instruction; tool calls that a template doesn't know are written as JSON, the tools' answers
    are said by the user; definitions of tools are written into the system's message, and the system's message stands
    before the first question.
    """
    result = [dict(message) for message in messages]
    if not takes_input:
        for message in result:
            if (given := message.pop("input", None)) is not None:
                message["content"] = f"{message['content'].rstrip()}\n\n{given}"
    if tools and not capabilities.tools:
        listed = "\n".join(json.dumps(tool, ensure_ascii=False) for tool in tools)
        words = f"You can call these tools:\n{listed}"
        if result[0]["role"] == "system":
            result[0]["content"] = f"{result[0]['content']}\n\n{words}"
        else:
            result.insert(0, _said("system", words))
        tools = None
    has_calls = any(message.get("tool_calls") for message in result)
    if (has_calls and not capabilities.calls) or (not has_calls and _has_tool(result) and not capabilities.answers):
        result = _written_out(result)
    elif has_calls:
        _number_calls(result)
    if result[0]["role"] == "system" and not capabilities.system and len(result) > 1:
        system, first, *rest = result
        result = [{**first, "content": f"{system['content'].rstrip()}\n\n{first['content']}"}, *rest]
    return result, tools


def _has_tool(messages: Sequence[Message]) -> bool:
    return any(message["role"] == "tool" for message in messages)


def _number_calls(messages: list[Message]) -> None:
    """Give calls that have none an id, as some templates ask for, and the tools' answers the ids of their calls."""
    count = 0
    waiting: list[str] = []
    for message in messages:
        if calls := message.get("tool_calls"):
            numbered = [{**call, "id": call.get("id") or f"call{count + n:05}"} for n, call in enumerate(calls)]
            message["tool_calls"] = numbered
            count += len(calls)
            waiting = [call["id"] for call in numbered]
        elif message["role"] == "tool" and waiting:
            message.setdefault("tool_call_id", waiting.pop(0))


def _written_out(messages: list[Message]) -> list[Message]:
    """The conversation without calls and tools: what is called is said, what tools answer is said by the user."""
    result: list[Message] = []
    for original in messages:
        message = dict(original)
        if calls := message.pop("tool_calls", None):
            written = [json.dumps(call["function"], ensure_ascii=False) for call in calls]
            message["content"] = "\n".join([message["content"], *written] if message["content"].strip() else written)
        if message["role"] == "tool":
            if not message["content"].strip():
                raise Unfit("an empty tool turn")
            message["role"] = "user"
        if result and result[-1]["role"] == message["role"] == "user":
            result[-1]["content"] += f"\n{message['content']}"
        else:
            result.append(message)
    return result
