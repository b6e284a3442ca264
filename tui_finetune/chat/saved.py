"""Conversations in files: JSON to go on with, Markdown to read."""

from __future__ import annotations

import itertools
import json
import os
import re
from pathlib import Path

from tui_finetune.chat.session import ChatSession
from tui_finetune.errors import UserError
from tui_finetune.system.files import PRIVATE_FILE, open_regular

MAX_BYTES = 32 * 1024 * 1024


def save(session: ChatSession, path: Path | None) -> Path:
    """Save a conversation; nothing is ever overwritten.

    Args:
        session: with the conversation.
        path: ending in .json or .md; None for the next free name in the current folder.

    Raises:
        UserError: the file is there already or can't be written.
    """
    if path is None:
        name = (
            re.sub(r"[^A-Za-z0-9._-]+", "-", session.target.label if session.target else "chat").strip("-.") or "chat"
        )
        names = (Path(f"chat-{name}-{number}.json") for number in itertools.count(1))
        path = next(free for free in names if not os.path.lexists(free))
    text = _markdown(session) if path.suffix == ".md" else _json(session)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, PRIVATE_FILE)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as file:
            file.write(text)
    except FileExistsError:
        raise UserError(f"{path} is there already", "choose another name; nothing is overwritten") from None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "is no name of a file"
        raise UserError(f"{path}: {why}", "choose another place") from None
    return path


def load(session: ChatSession, path: Path) -> int:
    """Go on with a conversation that was saved; returns how many messages it has.

    Raises:
        UserError: it can't be read.
    """
    broken = UserError(f"{path} is no saved conversation", "load a .json that /save has written")
    try:
        with open(path, "rb", opener=open_regular) as file:
            data = file.read(MAX_BYTES + 1)
        content = json.loads(data) if len(data) <= MAX_BYTES else None
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}", "name a file that is there") from None
    except (ValueError, RecursionError):
        raise broken from None
    if not isinstance(content, dict) or not isinstance(messages := content.get("messages"), list):
        raise broken
    known = [
        {"role": message["role"], "content": message["content"]}
        for message in messages
        if isinstance(message, dict)
        and message.get("role") in {"user", "assistant"}
        and isinstance(message.get("content"), str)
    ]
    if len(known) != len(messages):
        raise broken
    conversation = session.conversation
    conversation.forget()
    conversation.messages = known
    conversation.system = content["system"] if isinstance(content.get("system"), str) else ""
    conversation.text = content["text"] if isinstance(content.get("text"), str) else ""
    return len(known)


def _json(session: ChatSession) -> str:
    conversation = session.conversation
    content = {
        "format": 1,
        "model": session.target.model if session.target else "",
        "style": conversation.style,
        "system": conversation.system,
        "messages": conversation.messages,
        "text": conversation.text,
    }
    return json.dumps(content, indent=1) + "\n"


def _markdown(session: ChatSession) -> str:
    conversation = session.conversation
    parts = [f"# {session.target.label if session.target else 'Conversation'}"]
    if conversation.system:
        parts.append(f"**system**\n\n{conversation.system}")
    parts += [f"**{message['role']}**\n\n{message['content']}" for message in conversation.messages]
    if conversation.text:
        parts.append(conversation.text)
    return "\n\n".join(parts) + "\n"
