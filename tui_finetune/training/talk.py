"""A run that is talked to while it trains: replies are written between its steps, and leave no trace in it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from transformers import TrainerState

from tui_finetune.chat.generate import Writing, evaluating
from tui_finetune.chat.prompts import Prompt
from tui_finetune.chat.sampling import Sampling
from tui_finetune.errors import UserError
from tui_finetune.runs.control import Request
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.events import ReplyEvent
from tui_finetune.runs.log import EventLog
from tui_finetune.runs.replies import ReplyPaths, ReplyWriter
from tui_finetune.training.rng import untouched_random_state

if TYPE_CHECKING:
    from tui_finetune.training.trainer import RunTrainer

LEAST_SECONDS, MOST_SECONDS = 0.2, 5.0
"""How long is written between two steps: as long as a step takes, within these bounds, so that training goes on."""

LAST_SECONDS = 20.0
"""How long is written once the training is over."""

_SAMPLING = frozenset(Sampling.__dataclass_fields__)


@dataclass
class _Reply:
    """A reply on its way.

    Attributes:
        id: the request's.
        log: where it is written.
        writing: what writes it; None until its turn comes.
        began: by the monotonic clock.
        cost: seconds that the training waited for it.
        first: seconds to its first token.
    """

    request: Request
    log: ReplyWriter
    began: float
    writing: Writing | None = None
    cost: float = 0.0
    first: float | None = None
    read_at: int = -1


class Talk:
    """Answers what is said to a run, one question after the other.

    Args:
        run: the run.
        log: its event log, which is told of each reply's end.
        trainer: its Trainer.
    """

    def __init__(self, run: RunDirectory, log: EventLog, trainer: RunTrainer) -> None:
        self._run, self._log, self._trainer = run, log, trainer
        self._waiting: list[_Reply] = []

    @property
    def is_busy(self) -> bool:
        """Whether there is something to answer."""
        return bool(self._waiting)

    def take(self, request: Request) -> None:
        """Put a question in the line."""
        log = ReplyWriter(ReplyPaths(self._run.replies_dir, request.id))
        self._waiting.append(_Reply(request, log, time.monotonic()))

    def write(self, state: TrainerState, seconds: float) -> None:
        """Write replies for so long, at least a token of the first."""
        if not self._waiting:
            return
        until = time.monotonic() + seconds
        with untouched_random_state(), evaluating(self._trainer.language_model):
            while self._waiting:
                reply, began = self._waiting[0], time.monotonic()
                over = self._go_on(reply, state, until)
                reply.cost += time.monotonic() - began
                if not over:
                    return
                self._end(self._waiting.pop(0), state)

    def write_slice(self, state: TrainerState, step_seconds: float) -> None:
        """Write between two steps, about as long as one takes."""
        self.write(state, min(max(step_seconds, LEAST_SECONDS), MOST_SECONDS))

    def finish(self, state: TrainerState, *, stopping: bool) -> None:
        """The training is over: write what there is time for, and end the rest."""
        if not stopping:
            self.write(state, LAST_SECONDS)
        for reply in self._waiting:
            if reply.writing is not None:
                reply.writing.cancel()
            self._end(reply, state, "the run has ended")
        self._waiting = []

    def _go_on(self, reply: _Reply, state: TrainerState, until: float) -> bool:
        """Write more of a reply; whether it is over."""
        try:
            if reply.writing is None:
                reply.writing = self._begin(reply)
            elif reply.read_at != state.global_step:
                reply.writing.weights_changed()
            reply.read_at = state.global_step
            while True:
                if reply.log.paths.is_to_end:
                    reply.writing.cancel()
                    return True
                if not reply.writing.step():
                    return True
                if reply.first is None:
                    reply.first = time.monotonic() - reply.began
                if time.monotonic() >= until:
                    return False
        except UserError as error:
            reply.log.write(error=error.message, remedy=error.remedy)
        except Exception as error:  # whatever a question does to the model, the run goes on
            reply.log.write(error=f"the model failed: {type(error).__name__}: {error}", remedy="ask something else")
        return True

    def _begin(self, reply: _Reply) -> Writing:
        fields = reply.request.fields
        given = fields.get("sampling")
        chosen = {key: value for key, value in given.items() if key in _SAMPLING} if isinstance(given, dict) else {}
        model, tokenizer = self._trainer.language_model, self._trainer.tokenizer
        return Writing(
            model, tokenizer, _prompt(reply.request), Sampling(**chosen), None, lambda text: reply.log.write(text=text)
        )

    def _end(self, reply: _Reply, state: TrainerState, why: str = "") -> None:
        if reply.writing is None:
            reply.log.write(error=why or "it could not be answered", remedy="ask what the run has saved")
            reply.log.end("failed", step=state.global_step, cost=round(reply.cost, 3))
            written, how = 0, "failed"
        else:
            done = reply.writing.reply()
            written, how = done.tokens, done.stopped
            if done.notice:
                reply.log.write(notice=done.notice)
            reply.log.end(
                how,
                tokens=written,
                seconds=round(time.monotonic() - reply.began, 3),
                first_seconds=reply.first,
                cost=round(reply.cost, 3),
                step=state.global_step,
            )
        self._log.write(
            ReplyEvent(
                state.global_step, reply.request.id, how, written, round(reply.cost, 3), answers=(reply.request.id,)
            )
        )


def _prompt(request: Request) -> Prompt:
    """What a request says: messages, or a text to go on with.

    Raises:
        UserError: it says nothing.
    """
    messages = request.fields.get("messages")
    if isinstance(messages, list):
        known = [
            {"role": _clean(message["role"]), "content": _clean(message["content"])}
            for message in messages
            if isinstance(message, dict)
            and isinstance(message.get("role"), str)
            and isinstance(message.get("content"), str)
        ]
        if known:
            return known
    if text := request.text("prompt"):
        return text
    raise UserError("nothing was said", "write a prompt")


def _clean(text: str) -> str:
    """Without characters that no encoding takes."""
    return text.encode("utf-8", "replace").decode()
