"""`finetune-tui chat`: a conversation in plain lines, or completions of given prompts."""

from __future__ import annotations

import signal
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from tui_finetune.cli.flags import spellings
from tui_finetune.cli.output import write_line, write_text
from tui_finetune.system.terminal import printable

if TYPE_CHECKING:
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

KEYS = "enter sends, ctrl+c stops a reply, ctrl+d ends, /new begins anew"


def chat(name: str | None, prompts: list[str] | None, given: dict[str, Any]) -> int:
    """Talk to a model; with prompts print what follows each, and end.

    Args:
        name: a run, a folder, a hub name or 'starter'; the newest run if left out.
        prompts: texts to continue.
        given: sampling settings.
    """
    from tui_finetune.chat.sampling import Sampling
    from tui_finetune.chat.targets import resolve_chat_target

    sampling = Sampling(**given)
    path, label = resolve_chat_target(name)
    if not prompts and sys.stdin.isatty():
        write_line(f"loading {label} …", sys.stderr)
    from tui_finetune.chat.engine import Engine

    engine = Engine.load(path)
    if prompts:
        for number, prompt in enumerate(prompts):
            if number:
                write_line()
            _write(prompt)
            engine.reply(prompt, sampling, on_text=_write)
            write_line()
        return 0
    return _converse(engine, label, sampling)


def _write(text: str) -> None:
    write_text(printable(text), sys.stdout)


class _Interrupt:
    """Remembers that ctrl+c was pressed, while a reply is being written."""

    def __init__(self) -> None:
        self.pressed = False

    def __call__(self, *_: object) -> None:
        self.pressed = True


def _converse(engine: Any, label: str, sampling: Sampling) -> int:
    """A conversation on standard input and output, until it ends."""
    if sys.stdin.isatty():
        write_line(f"{label}: {KEYS}")
    messages: list[dict[str, str]] = []
    while True:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            text = input("> " if sys.stdin.isatty() else "").strip()
        except (EOFError, KeyboardInterrupt):
            write_line()
            return 0
        if text == "/new":
            messages = []
            continue
        if text:
            _reply(engine, text, messages, sampling)


def _reply(engine: Any, text: str, messages: list[dict[str, str]], sampling: Sampling) -> None:
    """Print a reply as it is written; with a chat template, the conversation so far goes before it."""
    interrupt = _Interrupt()
    signal.signal(signal.SIGINT, interrupt)
    prompt: Any = text
    if engine.has_chat_template:
        messages.append({"role": "user", "content": text})
        prompt = messages
    else:
        _write(text)
    reply = engine.reply(prompt, sampling, on_text=_write, cancelled=lambda: interrupt.pressed)
    if engine.has_chat_template:
        messages.append({"role": "assistant", "content": reply.text})
    write_line("" if reply.stopped == "end" else " …")
    if reply.notice:
        write_line(f"note: {reply.notice}")


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("model", nargs="?", metavar="RUN or MODEL", help="a run, a folder, a hub name, or 'starter'")
    parser.add_argument(
        "--prompt", action="append", metavar="TEXT", help="print the model's reply to it and exit; may be repeated"
    )
    for name, kind in SAMPLING.items():
        parser.add_argument(*spellings(name), dest=name, type=kind, metavar="N")


def run(arguments: Namespace) -> int:
    given = {name: value for name in SAMPLING if (value := getattr(arguments, name)) is not None}
    return chat(arguments.model, arguments.prompt, given)
