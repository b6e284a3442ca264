"""A model that answers."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from tui_finetune.chat.prompts import Prompt
from tui_finetune.chat.reply import Reply
from tui_finetune.chat.sampling import Sampling
from tui_finetune.errors import UserError
from tui_finetune.models.located import LocatedModel
from tui_finetune.system.progress import Report

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from tui_finetune.chat.generate import KeptCache, Writing

OnText = Callable[[str], None]
"""Called with each piece of a reply."""


class Answerer(Protocol):
    """Whoever answers: a model of one's own, or a run that is going."""

    @property
    def name(self) -> str:
        """How it is called."""

    @property
    def has_chat_template(self) -> bool:
        """Whether messages are put in the form the model was taught; otherwise they are plain text to continue."""

    def reply(
        self,
        prompt: Prompt,
        sampling: Sampling,
        on_text: OnText | None = None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Reply:
        """Answer, in the caller's thread."""


class Engine:
    """A model that answers. Use from one thread at a time.

    Attributes:
        model: the model, in evaluation mode.
        tokenizer: its tokenizer.
        name: how it is called.
    """

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, name: str) -> None:
        self.model = model
        self._as_base = False
        self.tokenizer = tokenizer
        self.name = name
        self._kept: KeptCache | None = None

    @classmethod
    def load(cls, model: LocatedModel, report: Report | None = None) -> Engine:
        """Load a model onto the best device, in bf16 where that is good at it.

        Args:
            model: which one.
            report: progress of the download and of the loading; may raise Cancelled.

        Raises:
            UserError: it can't be had.
        """
        from tui_finetune.system.libraries import import_libraries

        import_libraries("torch", "transformers")
        import torch

        from tui_finetune.models.devices import best_device, device_facts
        from tui_finetune.models.loading import load_tokenizer
        from tui_finetune.models.methods.use import load_for_use

        tokenizer, device = load_tokenizer(model), best_device()
        half = device == "cuda" and device_facts().bf16_good
        loaded = load_for_use(model, tokenizer, "bf16" if half else "fp32", report)
        if half and model.adapter is None:
            torch.nn.Module.to(loaded, torch.bfloat16)
        try:
            torch.nn.Module.to(loaded, torch.device(device))
        except torch.OutOfMemoryError as error:
            raise UserError(
                f"{model.name} does not fit into the memory of the {device} device",
                "stop what else uses it, or choose a smaller model",
            ) from error
        return cls(loaded.eval(), tokenizer, model.name)

    @property
    def has_chat_template(self) -> bool:
        """Whether messages are put in the form the model was taught; otherwise they are plain text to continue."""
        return bool(self.tokenizer.chat_template)

    @property
    def answers_as_base(self) -> bool:
        """Whether it answers as the model does without its adapter."""
        return self._as_base

    @answers_as_base.setter
    def answers_as_base(self, on: bool) -> None:
        if on != self._as_base:
            self._as_base, self._kept = on, None  # what was read with the adapter is not what is read without

    @property
    def has_adapter(self) -> bool:
        """Whether it is a model with an adapter, so that the model can answer without it too."""
        from tui_finetune.models.methods.peft_models import as_adapted

        return as_adapted(self.model) is not None

    def without_adapter(self, name: str) -> Engine:
        """The same model, in the same memory, as it is without its adapter."""
        base = Engine(self.model, self.tokenizer, name)
        base.answers_as_base = True
        return base

    def as_itself(self) -> AbstractContextManager[None]:
        """Within it the model computes as this engine: without its adapter, where it is the base."""
        if not self.answers_as_base:
            return nullcontext()
        from tui_finetune.models.methods.peft_models import without_adapter

        return without_adapter(self.model)

    def begin(self, prompt: Prompt, sampling: Sampling, on_text: OnText | None = None) -> Writing:
        """Begin a reply, of which each `step` writes a token; what the last one has read is not read again.

        Raises:
            UserError: the chat template refuses the messages.
        """
        from tui_finetune.chat.generate import KeptCache, Writing

        if self._kept is None:
            self._kept = KeptCache()
        return Writing(self.model, self.tokenizer, prompt, sampling, self._kept, on_text, self.as_itself)

    def reply(
        self,
        prompt: Prompt,
        sampling: Sampling,
        on_text: OnText | None = None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Reply:
        """Answer, in the caller's thread.

        Args:
            prompt: text to continue, or messages ({'role', 'content'}).
            sampling: how tokens are chosen.
            on_text: called with each piece of the reply, always whole characters.
            cancelled: asked before each token; generation stops when it says so.

        Raises:
            UserError: the chat template refuses the messages, or the model's numbers are broken.
        """
        return replies([self], prompt, sampling, [on_text], cancelled)[0]


def replies(
    engines: Sequence[Engine],
    prompt: Prompt,
    sampling: Sampling,
    on_text: Sequence[OnText | None],
    cancelled: Callable[[], bool] = lambda: False,
) -> list[Reply]:
    """The replies of several models to one prompt, written at once: each writes a token in turn.

    Args:
        engines: the models; they may be one whose adapter is switched.
        prompt: what all are given.
        sampling: the same for all; so is its seed.
        on_text: for each model, called with each piece of its reply.
        cancelled: asked before each round of tokens.

    Raises:
        UserError: a chat template refuses the messages, or a model's numbers are broken.
    """
    from tui_finetune.chat.generate import evaluating

    if sampling.seed is None and len(engines) > 1:
        sampling = replace(sampling, seed=random.SystemRandom().getrandbits(31))
    with evaluating(engines[0].model):
        writings = [engine.begin(prompt, sampling, told) for engine, told in zip(engines, on_text, strict=True)]
        going = list(writings)
        while going:
            if cancelled():
                for writing in going:
                    writing.cancel()
                break
            going = [writing for writing in going if writing.step()]
        return [writing.reply() for writing in writings]
