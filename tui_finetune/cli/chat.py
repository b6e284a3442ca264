"""`finetune-tui chat`: a conversation in plain lines, or completions of given prompts."""

from __future__ import annotations

import signal
import sys
from typing import Any

from tui_finetune.chat.sampling import Sampling
from tui_finetune.chat.targets import resolve_chat_target
from tui_finetune.cli.output import write_line, write_text
from tui_finetune.system.terminal import printable

HELP = "enter sends, ctrl+c stops a reply, ctrl+d ends, /new begins anew"


def chat(name: str | None, prompts: list[str] | None, given: dict[str, Any]) -> int:
    """Talk to a model; with prompts print what follows each, and end.

    Args:
        name: a run, a folder, a hub name or 'starter'; the newest run if left out.
        prompts: texts to continue.
        given: sampling settings.
    """
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
        write_line(f"{label}: {HELP}")
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
