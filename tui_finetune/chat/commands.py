"""What may be written instead of a prompt: `/new`, `/set temperature 0.5`. The same in the app and in the terminal."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from pathlib import Path

from tui_finetune.chat.sampling import Sampling
from tui_finetune.chat.saved import load, save
from tui_finetune.chat.session import ChatSession
from tui_finetune.errors import UserError

COMMANDS: dict[str, tuple[str, str]] = {
    "new": ("", "begin a new conversation; the model forgets this one"),
    "system": ("[TEXT]", "what the model is told before anything is said; without a text, nothing any more"),
    "set": ("[NAME VALUE]", "a sampling setting, as `/set temperature 0.5`; without a name, all of them"),
    "retry": ("", "another reply to the last prompt"),
    "continue": ("", "let the model go on with its last reply"),
    "edit": ("", "bring the last prompt back into the line, to change it and send it again"),
    "undo": ("", "take back the last prompt and its reply"),
    "save": ("[FILE]", "save the conversation: .json to load it again, .md to read it"),
    "load": ("FILE", "go on with a conversation that was saved"),
    "model": ("[NAME]", "talk to another model: a run, a folder, 'starter', a name on the hub"),
    "compare": ("[MODEL...]", "the same prompt to two to four models at once; alone: before and after, or off"),
    "row": ("[N]", "ask what a row of the evaluation data asks, and show the answer expected and its loss"),
    "copy": ("", "copy the last reply"),
    "help": ("", "these commands"),
    "quit": ("", "leave the conversation"),
}
"""Name: what follows it, and what it does."""

_COMMAND = re.compile(r"/([a-z]+)(?:\s+(.*))?\Z", re.DOTALL)
_SETTINGS = [field.name for field in fields(Sampling)]


def parse(words: str) -> tuple[str, str] | None:
    """The command in a line, and what follows it; None where it is a prompt. `//` begins a prompt with a slash.

    Raises:
        UserError: there is no such command.
    """
    if (match := _COMMAND.match(words.strip())) is None:
        return None
    name = match[1]
    if name not in COMMANDS:
        near = [known for known in COMMANDS if known.startswith(name)]
        if len(near) != 1:
            raise UserError(f"/{name} is no command", "/help lists them; a prompt that begins with / is written //")
        name = near[0]
    return name, (match[2] or "").strip()


def as_prompt(words: str) -> str:
    """A line that is no command, as the prompt that it means."""
    return words[1:] if words.startswith("//") else words


def completions(text: str) -> list[str]:
    """The lines that this may become, none where it is a prompt."""
    if not text.startswith("/") or "\n" in text:
        return []
    name, space, rest = text[1:].partition(" ")
    if not space:
        return [f"/{known}" for known in COMMANDS if known.startswith(name)]
    if name == "set" and " " not in rest:
        return [f"/set {setting} " for setting in _SETTINGS if setting.startswith(rest)]
    return []


def help_lines() -> list[str]:
    """All commands, each with what it does."""
    return [f"/{name} {after}".rstrip().ljust(22) + f" {what}" for name, (after, what) in COMMANDS.items()]


def change_setting(sampling: Sampling, given: str) -> Sampling:
    """The sampling settings with one changed, as `temperature 0.5` or `seed random`.

    Raises:
        UserError: there is no such setting, or the value is not allowed.
    """
    name, _, value = given.replace("=", " ").partition(" ")
    name, value = name.replace("-", "_"), value.strip()
    if name not in _SETTINGS:
        raise UserError(f"'{name}' is no sampling setting", f"use one of {', '.join(_SETTINGS)}")
    if name == "seed" and value in {"random", "none"}:
        return replace(sampling, seed=None)
    try:
        number = int(value) if name in {"top_k", "max_new_tokens", "seed"} else float(value)
    except ValueError:
        raise UserError(f"{name}: '{value}' is no number", f"as in `/set {name} {getattr(Sampling(), name)}`") from None
    return replace(sampling, **{name: number})  # type: ignore[arg-type]  # checked as it is made


def settings_line(sampling: Sampling) -> str:
    """All sampling settings in a line."""
    values = {name: getattr(sampling, name) for name in _SETTINGS}
    return ", ".join(f"{name} {'random' if value is None else value}" for name, value in values.items())


def obey(session: ChatSession, name: str, rest: str) -> str | None:
    """Do what a command says where that is the conversation's matter, and what to say of it.

    Returns:
        None for commands that need more than a conversation: retry, continue, edit, model, compare, row, copy, quit.

    Raises:
        UserError: it can't be done.
    """
    conversation = session.conversation
    if name == "new":
        conversation.forget()
        return "A new conversation."
    if name == "system":
        conversation.system = rest
        if conversation.style == "text" and rest:
            return "Kept for models that talk in turns; this one continues text."
        return "It is told that first." if rest else "It is told nothing first."
    if name == "set":
        if rest:
            session.sampling = change_setting(session.sampling, rest)
        return settings_line(session.sampling)
    if name == "undo":
        return "Nothing was said." if conversation.undo() is None else "Taken back."
    if name == "save":
        return f"Saved as {save(session, Path(rest).expanduser() if rest else None)}."
    if name == "load":
        if not rest:
            raise UserError("no file is named", "as in `/load chat-1.json`")
        return f"{load(session, Path(rest).expanduser())} messages."
    return "\n".join(help_lines()) if name == "help" else None
