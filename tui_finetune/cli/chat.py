"""`finetune-tui chat`: a conversation in plain lines, or completions of given prompts."""

from __future__ import annotations

import signal
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from tui_finetune.cli.flags import spellings
from tui_finetune.cli.output import write_line, write_text
from tui_finetune.errors import UserError
from tui_finetune.system.terminal import printable

if TYPE_CHECKING:
    from tui_finetune.chat.conversation import Conversation
    from tui_finetune.chat.engine import Engine
    from tui_finetune.chat.sampling import Sampling

HELP = "Chat with a model."

SAMPLING: Mapping[str, Callable[[str], float]] = {
    "temperature": float,
    "top_p": float,
    "top_k": int,
    "max_new_tokens": int,
    "seed": int,
}
"""Sampling settings that are flags, and what reads their values."""

KEYS = "enter sends, ctrl+c stops a reply, ctrl+d ends, /new starts a new conversation"


def chat(name: str | None, prompts: list[str] | None, given: Mapping[str, float], *, base: bool = False) -> int:
    """Talk to a model; with prompts print its reply to each and exit.

    Args:
        name: a run, a folder, a hub name or 'starter'; the newest run if left out.
        prompts: what is said to it, each in a conversation of its own; a text to continue where it was taught no turns.
        given: sampling settings.
        base: of an adapter, talk to the model that it belongs to, as it is without it.

    Raises:
        UserError: there is no such model, or no adapter to be left out.
    """
    from tui_finetune.chat.conversation import Conversation
    from tui_finetune.chat.sampling import Sampling
    from tui_finetune.chat.session import open_chat
    from tui_finetune.chat.targets import resolve_chat_target

    sampling = Sampling(**given)  # type: ignore[arg-type]  # checked as it is made
    target = resolve_chat_target(name)
    if not prompts and sys.stdin.isatty():
        write_line(f"loading {target.label} …", sys.stderr)
    engine, conversation = open_chat(target)
    if base and not engine.has_adapter:
        raise UserError(f"{target.label} has no adapter that could be left out", "leave out --base, or name the base")
    engine.answers_as_base = base
    if not prompts:
        return _converse(engine, conversation, target.label, sampling)
    for number, prompt in enumerate(prompts):
        if number:
            write_line()
        _reply(engine, Conversation(conversation.style), prompt, sampling, told=False)
    return 0


def _write(text: str) -> None:
    write_text(printable(text), sys.stdout)


class _Interrupt:
    """Remembers that ctrl+c was pressed, while a reply is being written."""

    def __init__(self) -> None:
        self._pressed = False

    def __call__(self, *_: object) -> None:
        self._pressed = True

    def was_pressed(self) -> bool:
        return self._pressed


def _converse(engine: Engine, conversation: Conversation, label: str, sampling: Sampling) -> int:
    """A conversation on standard input and output, until it ends."""
    if sys.stdin.isatty():
        write_line(f"{label}: {KEYS}")
    while True:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            text = input("> " if sys.stdin.isatty() else "").strip()
        except (EOFError, KeyboardInterrupt):
            write_line()
            return 0
        if text == "/new":
            conversation.forget()
        elif text:
            interrupt = _Interrupt()
            signal.signal(signal.SIGINT, interrupt)
            conversation.keep(text, _reply(engine, conversation, text, sampling, interrupt.was_pressed))


def _reply(
    engine: Engine,
    conversation: Conversation,
    text: str,
    sampling: Sampling,
    cancelled: Callable[[], bool] = lambda: False,
    *,
    told: bool = True,
) -> str:
    """Print a reply as it is written, and return it; where the model continues a text, the text comes before it."""
    if conversation.style == "text":
        _write(text)
    reply = engine.reply(conversation.prompt_for(text), sampling, on_text=_write, cancelled=cancelled)
    write_line(" …" if told and reply.stopped != "end" else "")
    if reply.notice:
        write_line(f"note: {reply.notice}", sys.stderr)
    return reply.text


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("model", nargs="?", metavar="RUN or MODEL", help="a run, a folder, a hub name, or 'starter'")
    parser.add_argument(
        "--prompt", action="append", metavar="TEXT", help="print the model's reply to it and exit; may be repeated"
    )
    parser.add_argument("--base", action="store_true", help="of an adapter: answer as its model does without it")
    for name, kind in SAMPLING.items():
        parser.add_argument(*spellings(name), dest=name, type=kind, metavar="N")


def run(arguments: Namespace) -> int:
    given = {name: value for name in SAMPLING if (value := getattr(arguments, name)) is not None}
    return chat(arguments.model, arguments.prompt, given, base=arguments.base)
