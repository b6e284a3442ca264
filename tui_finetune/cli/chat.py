"""`finetune-tui chat`: a conversation in plain lines, completions of given prompts, or a set of prompts from a file."""

from __future__ import annotations

import signal
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tui_finetune.cli.flags import spellings
from tui_finetune.cli.output import write_error, write_line, write_text
from tui_finetune.errors import UserError
from tui_finetune.system.terminal import printable

if TYPE_CHECKING:
    from tui_finetune.chat.engine import Answerer
    from tui_finetune.chat.prompt_set import Asked
    from tui_finetune.chat.reply import Reply
    from tui_finetune.chat.session import ChatSession
    from tui_finetune.chat.targets import ChatTarget

HELP = "Chat with a model, or with a run that is training."

SAMPLING: Mapping[str, Callable[[str], float]] = {
    "temperature": float,
    "top_p": float,
    "top_k": int,
    "min_p": float,
    "repetition_penalty": float,
    "max_new_tokens": int,
    "seed": int,
}
"""Sampling settings that are flags, and what reads their values."""

KEYS = "enter sends, ctrl+c stops a reply, ctrl+d ends, /help lists commands; a line that ends in \\ goes on"


def chat(
    names: list[str], prompts: list[str] | None, given: Mapping[str, float], system: str = "", *, base: bool = False
) -> int:
    """Talk to one or several models; with prompts print the reply to each and exit.

    Args:
        names: runs, folders, hub names or 'starter'; the newest run if none is named. A run that is going answers between
            its steps.
        prompts: what is said, each in a conversation of its own; a text to continue where the model was taught no turns.
        given: sampling settings.
        system: what the model is told first.
        base: of an adapter, talk to the model that it belongs to, as it is without it.

    Raises:
        UserError: there is no such model, or no adapter to be left out.
    """
    from tui_finetune.chat.sampling import Sampling
    from tui_finetune.chat.session import ChatSession
    from tui_finetune.chat.targets import resolve_chat_target

    session = ChatSession()
    session.sampling = Sampling(**given)  # type: ignore[arg-type]  # checked as it is made
    session.conversation.system = system
    talk = _Talk(session, [resolve_chat_target(name) for name in names] or [resolve_chat_target(None)])
    if base:
        talk.leave_adapter_out()
    if not prompts:
        return talk.converse()
    for number, prompt in enumerate(prompts):
        if number:
            write_line()
        session.conversation.forget()
        talk.answer(prompt, told=False)
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


class _Talk:
    """A conversation on standard input and output.

    Args:
        session: the conversation.
        targets: whom it is with.
    """

    def __init__(self, session: ChatSession, targets: list[ChatTarget]) -> None:
        self._session = session
        self._ready: list[Answerer] = []
        self._last = ""
        self._rows: list[Asked] = []
        self._next_row = 0
        self.take(targets)

    def take(self, targets: list[ChatTarget]) -> None:
        """Talk to these from now on."""
        if sys.stdin.isatty():
            for target in targets:
                write_line(f"loading {target.label} …", sys.stderr)
        self._ready = self._session.open_all(targets)
        self._targets, self._rows = targets, []
        self._session.use(targets[-1], self._ready[-1])

    def leave_adapter_out(self) -> None:
        """Talk to the model without its adapter; raises UserError where it has none."""
        from tui_finetune.chat.engine import Engine

        for target, answerer in zip(self._targets, self._ready, strict=True):
            if not isinstance(answerer, Engine) or not answerer.has_adapter:
                raise UserError(
                    f"{target.label} has no adapter that could be left out", "leave out --base, or name the base"
                )
            answerer.answers_as_base = True

    def converse(self) -> int:
        """Read prompts and commands until the conversation ends."""
        from tui_finetune.chat.history import PromptHistory

        history = PromptHistory.of_user() if sys.stdin.isatty() else PromptHistory()
        if sys.stdin.isatty():
            _with_editing(history)
            write_line(f"{' | '.join(target.label for target in self._targets)}: {KEYS}")
        while True:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            try:
                text = _read_line()
            except (EOFError, KeyboardInterrupt):
                write_line()
                return 0
            history.add(text)
            try:
                if not self._obey(text):
                    return 0
            except UserError as error:
                write_error(error)

    def _obey(self, text: str) -> bool:
        """Answer a prompt, or do what a command says; whether the conversation goes on."""
        from tui_finetune.chat.commands import as_prompt, obey, parse

        command = parse(text)
        if command is None:
            if self._session.conversation.can_send(text):
                self._answer_stoppable(as_prompt(text))
            return True
        name, rest = command
        if name == "quit":
            return False
        if name in {"retry", "edit"}:
            self._again(send=name == "retry")
        elif name == "continue":
            if self._session.conversation.can_continue:
                self._answer_stoppable("")
        elif name in {"model", "compare"}:
            self._switch(name, rest.split())
        elif name == "row":
            self._row(rest)
        elif name == "copy":
            write_line(self._last)
        elif words := obey(self._session, name, rest):
            write_line(words, sys.stderr)
        return True

    def _again(self, *, send: bool) -> None:
        words = self._session.conversation.undo()
        if words is None:
            raise UserError("nothing was said yet")
        if send:
            self._answer_stoppable(words)
        else:
            _type_ahead(words)

    def _row(self, rest: str) -> None:
        """Ask what a row of the evaluation data asks, and show which answer is expected, with each model's loss on it."""
        from tui_finetune.chat.reply import mean_loss
        from tui_finetune.chat.session import expected_by
        from tui_finetune.cli.prompt_set import evaluation_rows

        self._rows = self._rows or evaluation_rows(self._targets)
        number = int(rest) - 1 if rest.isdecimal() else self._next_row % len(self._rows)
        if (rest and not rest.isdecimal()) or not 0 <= number < len(self._rows):
            raise UserError(f"there are rows 1 to {len(self._rows)}", "take one of them, or `/row` for the next")
        self._next_row = number + 1
        asked = self._rows[number]
        self._session.conversation.begin_with(asked.messages)
        prompt = self._session.conversation.prompt_for(asked.words)
        write_line(asked.words, sys.stderr)
        self._answer_stoppable(asked.words)
        write_line(f"expected: {asked.expected.strip()}", sys.stderr)
        for target, tokens in zip(self._targets, expected_by(self._ready, prompt, asked.expected), strict=True):
            if (loss := mean_loss(tokens)) is not None:
                write_line(f"loss of {target.label} on it: {loss:.3f}", sys.stderr)

    def _switch(self, name: str, names: list[str]) -> None:
        from tui_finetune.chat.session import compared_with
        from tui_finetune.chat.targets import resolve_chat_target

        if name == "compare" and not names:
            target = self._targets[-1]
            self.take([target] if len(self._targets) > 1 else [compared_with(target), target])
        elif names:
            self.take([resolve_chat_target(one) for one in (names if name == "compare" else names[:1])])
        write_line(f"with {' | '.join(target.label for target in self._targets)}", sys.stderr)

    def _answer_stoppable(self, text: str) -> None:
        interrupt = _Interrupt()
        signal.signal(signal.SIGINT, interrupt)
        self.answer(text, interrupt.was_pressed)

    def answer(self, text: str, cancelled: Callable[[], bool] = lambda: False, *, told: bool = True) -> None:
        """Print the replies as they are written; where a model continues a text, the text comes before."""
        session = self._session
        conversation, sampling = session.conversation, session.sampling
        prompt = conversation.prompt_for(text)
        if len(self._ready) > 1:
            self._several(text, cancelled)
            return
        if conversation.style == "text" and isinstance(prompt, str):
            _write(prompt)
        reply = session.answer(self._ready, prompt, [_write], cancelled, sampling)[0]
        write_line(" …" if told and reply.stopped != "end" else "")
        self._after(text, reply, told=told)

    def _several(self, text: str, cancelled: Callable[[], bool]) -> None:
        """One below the other: columns are for screens that can be redrawn."""
        session = self._session
        prompt = session.conversation.prompt_for(text)
        written: list[list[str]] = [[] for _ in self._ready]
        replies = session.answer(self._ready, prompt, [pieces.append for pieces in written], cancelled)
        for target, reply in zip(self._targets, replies, strict=True):
            write_line(f"── {target.label}")
            write_line((text if session.style == "text" else "") + reply.text)
        self._after(text, replies[-1], told=True)

    def _after(self, text: str, reply: Reply, *, told: bool) -> None:
        self._session.conversation.keep(text, reply.text)
        self._last = reply.text
        if reply.notice:
            write_line(f"note: {reply.notice}", sys.stderr)
        if told and sys.stdin.isatty():
            write_line(figures(reply), sys.stderr)
        elif reply.cost is not None:
            write_line(f"note: the run waited {reply.cost:.1f} s at step {reply.step}", sys.stderr)


def figures(reply: Reply) -> str:
    """The figures of a reply in a line."""
    parts = [f"{reply.tokens} tokens"]
    if reply.rate is not None:
        parts.append(f"{reply.rate:.0f} tokens/s")
    if reply.first_seconds is not None:
        parts.append(f"first after {reply.first_seconds * 1000:.0f} ms")
    parts.append({"end": "ended by itself", "length": "cut at max_new_tokens", "cancelled": "stopped"}[reply.stopped])
    if reply.cost is not None:
        parts.append(f"the run waited {reply.cost:.1f} s at step {reply.step}")
    return f"[{', '.join(parts)}]"


# The line


def _read_line() -> str:
    """A prompt; lines that end in a backslash go on."""
    terminal = sys.stdin.isatty()
    text = input("> " if terminal else "")
    while text.endswith("\\"):
        text = text[:-1] + "\n" + input("… " if terminal else "")
    return text.strip()


def _with_editing(history: object) -> None:
    """Let the line be edited, earlier prompts be brought back, and commands be completed."""
    try:
        import readline
    except ImportError:  # a Python without it
        return
    from tui_finetune.chat.commands import completions
    from tui_finetune.chat.history import PromptHistory

    assert isinstance(history, PromptHistory)
    readline.clear_history()
    for prompt in history.prompts:
        readline.add_history(printable(prompt, lines=False))

    def complete(_: str, number: int) -> str | None:
        found = completions(readline.get_line_buffer())
        return found[number] if number < len(found) else None

    readline.set_completer_delims("")
    readline.set_completer(complete)
    readline.parse_and_bind("tab: complete")


def _type_ahead(words: str) -> None:
    """Put words into the next line, to be changed there."""
    try:
        import readline
    except ImportError:
        return

    def put() -> None:
        readline.insert_text(printable(words, lines=False))
        readline.set_startup_hook(None)

    readline.set_startup_hook(put)


# The command


def add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument(
        "model",
        nargs="*",
        metavar="RUN or MODEL",
        help="a run, a folder, a hub name, or 'starter'; several are given the same prompts",
    )
    parser.add_argument(
        "--prompt", action="append", metavar="TEXT", help="print the model's reply to it and exit; may be repeated"
    )
    parser.add_argument("--base", action="store_true", help="of an adapter: answer as its model does without it")
    parser.add_argument("--system", metavar="TEXT", default="", help="what the model is told first")
    parser.add_argument(
        "--prompts",
        metavar="FILE",
        help="a set of prompts: .txt, a prompt a line, or .jsonl; or 'evaluation': the rows that the run is evaluated on",
    )
    parser.add_argument("--out", metavar="FILE", help="where their answers go: .jsonl, with a .md beside it")
    parser.add_argument(*spellings("batch_size"), dest="batch_size", type=int, default=16, metavar="N",
                        help="prompts of a set that are answered at once")  # fmt: skip
    for name, kind in SAMPLING.items():
        parser.add_argument(*spellings(name), dest=name, type=kind, metavar="N")


def run(arguments: Namespace) -> int:
    given = {name: value for name in SAMPLING if (value := getattr(arguments, name)) is not None}
    if not arguments.prompts:
        return chat(arguments.model, arguments.prompt, given, arguments.system, base=arguments.base)
    from tui_finetune.cli.prompt_set import answer_set

    if not arguments.out:
        raise UserError("--prompts needs a file for the answers", "add --out answers.jsonl")
    return answer_set(
        arguments.model, Path(arguments.prompts), Path(arguments.out), given, arguments.system, arguments.batch_size
    )
