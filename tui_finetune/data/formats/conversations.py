"""Rows as conversations: whatever format they have, a list of messages as chat templates take them, in good order."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from tui_finetune.data.formats.spec import Format
from tui_finetune.data.formats.turns import ROLES, TURN_KEYS, Message, Tools, is_turn, listed, turn_of, turns_in
from tui_finetune.data.readers.row import Row, without_nulls
from tui_finetune.data.segments import Unfit

MORE_THAN_TEXT = "a turn with more than text"
PLACEHOLDER = "a placeholder for an image, a sound or a video"

_PLACEHOLDER = re.compile(r"(?:\A|\n)\s*<(image|audio|video)>|<(image|audio|video)>\s*(?:\Z|\n)")
"""As it stands in a text: on a line of its own, or at the beginning or end of one."""


def conversation(row: Row, shape: Format) -> tuple[list[Message], Tools | None, int]:
    """The messages in a row, the definitions of the tools that the assistant may call, and how many turns after the last
    reply are left out, because nothing in them is trained on.

    Raises:
        Unfit: there are none, or they make no sense.
    """
    part = shape.mapping
    refuse_bad(row, shape)
    tools = listed(row.get(part["tools"])) if "tools" in part else None
    if shape.name == "alpaca":
        messages = _instruction(row, part)
    elif shape.name == "prompt-completion":
        messages = _prompt_and_completion(row, part)
    else:
        messages = messages_in(row.get(part["messages"]))
    system = row.get(part["system"]) if "system" in part else None
    if isinstance(system, str) and system.strip() and not (messages and messages[0]["role"] == "system"):
        messages.insert(0, {"role": "system", "content": system})
    kept = in_order(messages)
    return kept, [_definition(tool) for tool in tools] if tools else None, _turns(messages) - _turns(kept)


def refuse_bad(row: Row, shape: Format) -> None:
    """Raises Unfit where a row has a label that says that its reply is a bad one."""
    label = shape.mapping.get("label")
    if label is not None and not is_good(row.get(label), shape.threshold):
        raise Unfit(f"'{label}' not true" if shape.threshold is None else f"'{label}' below {shape.threshold:g}")


def is_good(label: object, threshold: float | None = None) -> bool | None:
    """Whether a reply is a good one, by the label that it has; None where that can't be said.

    Args:
        label: true or false, also as a word or as 1 and 0; or a rating.
        threshold: the rating from which on it is good, where labels are ratings.
    """
    word = str(label).strip().lower()
    if threshold is None:
        return {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}.get(word)
    try:
        return float(word) >= threshold
    except ValueError:
        return None


def _prompt_and_completion(row: Row, part: Mapping[str, str]) -> list[Message]:
    messages = _turns_or_text(row.get(part["prompt"]), "user", "prompt")
    replies = _turns_or_text(row.get(part["completion"]), "assistant", "completion")
    if any(reply["role"] in {"system", "user"} for reply in replies):
        raise Unfit("a completion with turns that are not the assistant's")
    for message in messages:
        if message["role"] == "assistant":  # given, not trained on
            message["trained"] = False
    return messages + replies


def _turns(messages: list[Message]) -> int:
    return sum(1 for message in messages if message["role"] != "system")


def _definition(tool: object) -> object:
    """The definition of a tool in the form that templates expect."""
    bare = isinstance(tool, dict) and "name" in tool and "function" not in tool
    return {"type": "function", "function": tool} if bare else tool


def scalar(value: object) -> str | None:
    """A value as text: itself, or a number or truth value as JSON writes it; None for null and anything else."""
    if isinstance(value, str):
        return value
    return json.dumps(value) if isinstance(value, (int, float)) else None


def _instruction(row: Row, part: Mapping[str, str]) -> list[Message]:
    messages: list[Message] = []
    for pair in (listed(row.get(part["history"])) or []) if "history" in part else []:
        if not isinstance(pair, list) or len(pair) != 2:
            raise Unfit("a history that is not a list of pairs")
        messages += [{"role": "user", "content": scalar(pair[0])}, {"role": "assistant", "content": scalar(pair[1])}]
    asked: Message = {"role": "user", "content": scalar(row.get(part["instruction"]))}
    refuse_placeholders(asked["content"])
    given = scalar(row.get(part["input"])) if "input" in part else None
    if given and given.strip():
        asked["input"] = given
    output = scalar(row.get(part["output"]))
    if output is None or not output.strip():
        raise Unfit(f"no text in '{part['output']}'")
    return [*messages, asked, {"role": "assistant", "content": output}]


def _turns_or_text(value: object, role: str, part: str) -> list[Message]:
    turns = turns_in(value)
    # A text in JSON is taken for turns only where it can't be meant as an answer.
    if turns is not None and all(
        _is_said(turn) if isinstance(value, str) else isinstance(turn, dict) for turn in turns
    ):
        return messages_in(value)
    if (text := scalar(value)) is None or not text.strip():
        raise Unfit(f"no {part}")
    refuse_placeholders(text)
    return [{"role": role, "content": text}]


def _is_said(turn: object) -> bool:
    """Whether it is a turn of somebody known."""
    who = next((turn[keys[0]] for keys in TURN_KEYS if keys[0] in turn), None) if is_turn(turn) else None
    return isinstance(who, str) and who.strip().lower() in ROLES


def messages_in(value: object) -> list[Message]:
    """The messages of a list of turns, or of JSON that is one; null keys of objects from tables are left out.

    Raises:
        Unfit: it is none.
    """
    if value is None:
        raise Unfit("no turns")
    turns = turns_in(value)
    if turns is None:
        raise Unfit("turns that are not a list")
    written = isinstance(value, str)
    return [_message(turn if written else without_nulls(turn)) for turn in turns]


def _message(turn: object) -> Message:
    if not isinstance(turn, dict):
        raise Unfit("a turn that is not an object")
    keys = next((keys for keys in TURN_KEYS if keys[0] in turn), None)
    if keys is None:
        raise Unfit("a turn without 'role' or 'from'")
    said = turn[keys[0]]
    role = ROLES.get(said.strip().lower()) if isinstance(said, str) else None
    if role is None:
        raise Unfit(f"an unknown role '{str(said)[:40]}'")
    content, thoughts, calls = _content(turn.get(keys[1]))
    refuse_placeholders(content)
    if role == "call":
        # A call that can't be told apart is what the assistant says, as it stands.
        role, found = "assistant", _calls_in(content)
        calls, content = calls + found, "" if found else content
    if role != "assistant" and (thoughts or calls):
        raise Unfit(MORE_THAN_TEXT)
    message: Message = {"role": role, "content": content}
    if role == "assistant":
        if not isinstance(more := turn.get("tool_calls") or [], list):
            raise Unfit("tool calls that are not a list")
        if calls := calls + [_call(call) for call in more]:
            message["tool_calls"] = calls
            message["content"] = content or ""
        given = thoughts or turn.get("reasoning_content") or turn.get("reasoning") or turn.get("thinking")
        if isinstance(given, str) and given.strip():
            message["reasoning_content"] = given
        # OpenAI's weight, LLaMA-Factory's loss_weight, axolotl's train and training.
        switches = [turn.get(key) for key in ("weight", "loss_weight", "train", "training")]
        if any(value is False or value == 0 for value in switches):
            message["trained"] = False
    elif role == "tool":
        message |= {key: turn[key] for key in ("name", "tool_call_id") if isinstance(turn.get(key), str)}
    return message


def _content(value: object) -> tuple[str | None, str, list[Message]]:
    """The text of a turn, and the thoughts and the tool calls in it where it comes in parts; texts are put together."""
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False), "", []
    if not isinstance(value, list):
        return scalar(value), "", []
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[Message] = []
    for part in value:
        kind, said = _part(part)
        if kind == "tool_call" and (found := _calls_in(said if isinstance(said, str) else json.dumps(said))):
            calls += found
        elif kind in {"reasoning", "thinking"} and isinstance(said, str):
            thoughts.append(said)
        elif kind in {"text", "input_text", "output_text"} and isinstance(said, str) and not calls:
            texts.append(said)
        else:
            raise Unfit(MORE_THAN_TEXT)
    return "".join(texts), "".join(thoughts), calls


def refuse_placeholders(text: str | None) -> None:
    """Raises Unfit where a picture, sound or video was meant to stand in a text; the HTML element of that name, which is
    closed somewhere, is text."""
    found = _PLACEHOLDER.search(text) if text else None
    if found is not None and text is not None and f"</{found.group(1) or found.group(2)}>" not in text:
        raise Unfit(PLACEHOLDER)


def _part(part: object) -> tuple[str, object]:
    """The kind of a part of a turn, 'text' where it doesn't say, and what it says, whatever the key."""
    if not isinstance(part, dict):
        return "text", part
    kind = part.get("type") or "text"
    if not isinstance(kind, str):
        raise Unfit(MORE_THAN_TEXT)
    return kind, next((part[key] for key in ("text", "value", kind) if part.get(key) is not None), None)


def _calls_in(text: str | None) -> list[Message]:
    """The calls that a text says in JSON; none where it is something else."""
    try:
        value = json.loads(text or "")
    except (ValueError, RecursionError):
        return []
    calls = value if isinstance(value, list) else [value]
    good = all(isinstance(call, dict) and isinstance(call.get("name"), str) for call in calls)
    return [_call(call) for call in calls] if good else []


def _call(call: object) -> Message:
    """A call in the form that templates expect: its arguments are an object, not JSON."""
    if not isinstance(call, dict):
        raise Unfit("a tool call without a name")
    inner = call.get("function", call)
    if not isinstance(inner, dict) or not isinstance(inner.get("name"), str):
        raise Unfit("a tool call without a name")
    arguments = inner.get("arguments", inner.get("parameters", {}))
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except (ValueError, RecursionError):
            raise Unfit("a tool call whose arguments are not JSON") from None
    result: Message = {"type": "function", "function": {"name": inner["name"], "arguments": arguments}}
    return result | ({"id": call["id"]} if isinstance(call.get("id"), str) else {})


def in_order(messages: list[Message]) -> list[Message]:
    """The messages up to the last that can be trained on, if they are in an order that makes sense.

    A system's message comes first, if there is one; then user and assistant take turns; tools answer the assistant.

    Raises:
        Unfit: they are in another order, one of them is empty, or no assistant says anything.
    """
    if messages and messages[0]["role"] == "system" and not (messages[0]["content"] or "").strip():
        messages = messages[1:]
    while messages and messages[-1]["role"] != "assistant":
        messages = messages[:-1]
    if not messages:
        raise Unfit("no assistant turn")
    before = ""
    for message in messages:
        role = message["role"]
        if role not in _NEXT[before]:
            raise Unfit(_out_of_order(role, before))
        if message["content"] is None:
            raise Unfit(f"no content in {turn_of(role)}")
        says = message["content"].strip() or message.get("tool_calls") or message.get("reasoning_content")
        if not says and role != "tool":
            raise Unfit(f"an empty {role} turn")
        before = role
    return messages


def _out_of_order(role: str, before: str) -> str:
    if role == "system":
        return "a system message in the middle"
    return (
        f"{turn_of(role)} after {turn_of(before)}"
        if before not in {"", "system"}
        else f"a conversation that begins with {turn_of(role)}"
    )


_NEXT = {
    "": {"system", "user"}, "system": {"user"}, "user": {"assistant"}, "assistant": {"user", "tool"},
    "tool": {"tool", "assistant", "user"},
}  # fmt: skip
