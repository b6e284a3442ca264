"""A run that is going, as somebody to talk to: it answers between its steps, and is asked through its directory."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict

from tui_finetune.chat.engine import OnText
from tui_finetune.chat.prompts import Prompt
from tui_finetune.chat.reply import Reply, Stopped
from tui_finetune.chat.sampling import Sampling
from tui_finetune.errors import UserError
from tui_finetune.runs.control import MAX_BYTES
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.replies import ReplyPaths, ReplyReader
from tui_finetune.runs.summary import load_state
from tui_finetune.runs.values import Fields, number, text, whole

POLL_SECONDS = 0.03
LIVE_SECONDS = 1.0
"""How often it is looked at whether the run still goes."""

_ENDS: Mapping[str, Stopped] = {"end": "end", "length": "length", "cancelled": "cancelled"}


class LiveRun:
    """A run that is going.

    Args:
        run: the run.
        name: how it is called.
    """

    def __init__(self, run: RunDirectory, name: str) -> None:
        self.run, self.name = run, name
        self.has_chat_template = load_state(run, brief=True).taught == "turns"

    def reply(
        self,
        prompt: Prompt,
        sampling: Sampling,
        on_text: OnText | None = None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Reply:
        """Ask the run, and wait in the caller's thread for its answer.

        Raises:
            UserError: it can't answer, or ended before it had.
        """
        paths = self._ask(prompt, sampling)
        reader, pieces, asked = ReplyReader(paths), [], False
        looked, notice = time.monotonic(), ""
        while True:
            for line in reader.poll():
                if piece := text(line, "text"):
                    pieces.append(piece)
                    if on_text is not None:
                        on_text(piece)
                notice = text(line, "notice") or notice
                if error := text(line, "error"):
                    raise UserError(error, text(line, "remedy"))
                if how := text(line, "end"):
                    return _reply("".join(pieces), how, line, notice)
            if cancelled() and not asked:
                asked = True
                paths.ask_to_end()
            if time.monotonic() - looked > LIVE_SECONDS:
                looked = time.monotonic()
                if not self.run.is_live and not any("end" in line for line in reader.poll()):
                    raise UserError(f"{self.run.name} ended before it had answered", "ask what it has saved: F4")
            time.sleep(POLL_SECONDS)

    def _ask(self, prompt: Prompt, sampling: Sampling) -> ReplyPaths:
        said: dict[str, object]
        said = {"prompt": prompt} if isinstance(prompt, str) else {"messages": [dict(message) for message in prompt]}
        if _bytes(prompt) > MAX_BYTES // 2:
            raise UserError("that is too long for a run that is going", "ask it once the run has ended")
        request = self.run.request("chat", **said, sampling=asdict(sampling))
        return ReplyPaths(self.run.replies_dir, request)


def _bytes(prompt: str | Sequence[Mapping[str, object]]) -> int:
    words = [prompt] if isinstance(prompt, str) else [str(message.get("content", "")) for message in prompt]
    # As JSON writes it, where most characters beyond ASCII take six.
    return sum(len(said) + 5 * sum(not character.isascii() for character in said) for said in words)


def _reply(written: str, how: str, figures: Fields, notice: str) -> Reply:
    return Reply(
        written,
        whole(figures, "tokens") or 0,
        number(figures, "seconds") or 0.0,
        _ENDS.get(how, "cancelled"),
        notice,
        number(figures, "first_seconds"),
        cost=number(figures, "cost"),
        step=whole(figures, "step"),
    )
