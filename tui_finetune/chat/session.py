"""A chat: whom one talks to, what was said, and how replies are drawn. The same for app and terminal."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tui_finetune.chat.conversation import Conversation, Style
from tui_finetune.chat.prompts import Prompt
from tui_finetune.chat.reply import Reply, Token
from tui_finetune.chat.sampling import Sampling
from tui_finetune.chat.targets import ChatTarget
from tui_finetune.errors import UserError
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.system.progress import Report

if TYPE_CHECKING:
    from tui_finetune.chat.engine import Answerer, Engine, OnText

MOST = 4
"""Models that are compared at once, and kept loaded."""


class ChatSession:
    """Models, a conversation, sampling. Loading and answering belong into a thread; the rest does not wait.

    Attributes:
        conversation: what was said.
        sampling: how replies are drawn.
        target: whom one talks to; None before the first.
        answerer: it, ready to answer; None until it is loaded.
    """

    def __init__(self) -> None:
        self.conversation = Conversation()
        self.sampling = Sampling()
        self.target: ChatTarget | None = None
        self.answerer: Answerer | None = None
        self._ready: dict[str, Answerer] = {}
        self._made_from: dict[str, str] = {}
        self._loading = threading.Lock()

    @property
    def style(self) -> Style:
        """How the model is talked to."""
        return self.conversation.style

    def open(self, target: ChatTarget, report: Report | None = None) -> Answerer:
        """Whoever answers for a target, loaded if it isn't yet. Changes nothing of the conversation.

        Args:
            target: whom to talk to.
            report: progress of the download and of the loading; may raise Cancelled.

        Raises:
            UserError: the model can't be had.
        """
        with self._loading:
            if (known := self._ready.get(target.model)) is not None:
                self._ready[target.model] = self._ready.pop(target.model)
                return known
            if (adapted := self._adapted_from(target)) is not None:
                return self._ready.setdefault(target.model, adapted.without_adapter(target.label))
            while len(self._ready) >= MOST:
                del self._ready[next(iter(self._ready))]
            made = _load(target, report)
            if not target.is_live:
                self._ready[target.model] = made
                if target.base is not None:
                    self._made_from[target.base] = target.model
            return made

    def open_all(self, targets: Sequence[ChatTarget], report: Report | None = None) -> list[Answerer]:
        """Whoever answers for several targets. The last is loaded first: with an adapter, it is what it was made from too.

        Raises:
            UserError: a model can't be had.
        """
        return [self.open(target, report) for target in reversed(targets)][::-1]

    def _adapted_from(self, target: ChatTarget) -> Engine | None:
        """The loaded model that is this one with an adapter."""
        from tui_finetune.chat.engine import Engine

        made = self._ready.get(self._made_from.get(target.model, ""))
        return made if isinstance(made, Engine) and getattr(made, "has_adapter", False) else None

    def use(self, target: ChatTarget, answerer: Answerer) -> None:
        """Talk to it from now on, in the way it was taught; what was said stays."""
        self.target, self.answerer = target, answerer
        self.conversation.style = target.style(has_chat_template=answerer.has_chat_template)

    def release(self) -> None:
        """Let all models go: their memory is wanted."""
        self.answerer = None
        self._ready.clear()
        self._made_from.clear()

    def answer(
        self,
        answerers: Sequence[Answerer],
        prompt: Prompt,
        on_text: Sequence[OnText],
        cancelled: Callable[[], bool] = lambda: False,
        sampling: Sampling | None = None,
    ) -> list[Reply]:
        """Let one or several answer the same prompt, in this thread; those in this process at once, a token each in turn.

        Raises:
            UserError: one can't answer.
        """
        from tui_finetune.chat.engine import Engine, replies

        sampling = sampling or self.sampling
        engines = [answerer for answerer in answerers if isinstance(answerer, Engine)]
        if len(engines) == len(answerers) > 1:
            return replies(engines, prompt, sampling, on_text, cancelled)
        return [
            answerer.reply(prompt, sampling, told, cancelled) for answerer, told in zip(answerers, on_text, strict=True)
        ]


def expected_by(answerers: Sequence[Answerer], prompt: Prompt, expected: str) -> list[tuple[Token, ...]]:
    """The tokens of an expected answer as each model sees them; empty for a run that is going, which is not asked."""
    from tui_finetune.chat.batches import expected_tokens
    from tui_finetune.chat.engine import Engine

    return [
        expected_tokens(answerer, prompt, expected) if isinstance(answerer, Engine) else () for answerer in answerers
    ]


def compared_with(target: ChatTarget) -> ChatTarget:
    """The model that a target was made from.

    Raises:
        UserError: that isn't known.
    """
    if target.base is None:
        raise UserError(
            f"what {target.label} was made from is not known", "name the models to compare: /compare starter RUN"
        )
    return ChatTarget(target.base, f"{target.base} (before)", target.trained_on)


def _load(target: ChatTarget, report: Report | None) -> Answerer:
    from tui_finetune.chat.engine import Engine
    from tui_finetune.models.located import locate

    if target.is_live:
        from tui_finetune.chat.live import LiveRun

        return LiveRun(RunDirectory(Path(target.model)), target.label)
    return Engine.load(locate(target.model, report=report), report)


def open_chat(target: ChatTarget, report: Report | None = None) -> tuple[Answerer, Conversation]:
    """The loaded model, and a conversation with it that nothing was said in yet.

    Raises:
        UserError: the model can't be had.
    """
    session = ChatSession()
    session.use(target, session.open(target, report))
    assert session.answerer is not None
    return session.answerer, session.conversation
