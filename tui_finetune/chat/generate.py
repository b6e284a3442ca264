"""Text from a model, token by token: cancellable at each, and without touching the random numbers of a training."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from tui_finetune.chat.choose import Chooser
from tui_finetune.chat.prompts import Prompt, prepare, turn_end
from tui_finetune.chat.reply import Reply, Stopped, Token
from tui_finetune.chat.sampling import Sampling
from tui_finetune.chat.streaming import TextStream
from tui_finetune.models.loading import context_length, embedding_weights
from tui_finetune.models.methods.peft_models import plain

if TYPE_CHECKING:
    from transformers import Cache, PreTrainedModel, PreTrainedTokenizerBase

LIKELIEST = 6
"""So many tokens are noted at each place as those that the model thought likeliest."""


@contextmanager
def evaluating(model: PreTrainedModel) -> Iterator[None]:
    """Within it the model is in evaluation mode, every part of it; after it each part is as it was."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


@dataclass
class KeptCache:
    """What a model has read, kept so that the next turn of a conversation doesn't begin with reading all of it again.

    Attributes:
        ids: the tokens that it has read.
        cache: what it remembers of them.
    """

    ids: list[int] = field(default_factory=list)
    cache: Cache | None = None

    @property
    def has_state(self) -> bool:
        """Whether the model keeps a state rather than what it has read; then it takes one more token at a time."""
        return any(getattr(self.cache, "is_linear", ()))

    def forget(self) -> None:
        """The weights are others, or the memory is wanted."""
        self.ids, self.cache = [], None

    def cut_to_shared(self, ids: list[int]) -> int:
        """Keep what these tokens begin with, and return its length; at least one of them is left to be read."""
        shared = 0
        for known, wanted in zip(self.ids, ids[:-1], strict=False):
            if known != wanted:
                break
            shared += 1
        if self.cache is None or not shared or self.has_state:  # a state can't go back
            self.forget()
            return 0
        if (beyond := len(self.ids) - shared) > 0:
            try:
                self.cache.crop(-beyond)
            except (RuntimeError, ValueError, NotImplementedError, AttributeError):
                # Windows that slide can't go back.
                self.forget()
                return 0
        self.ids = self.ids[:shared]
        return shared


def end_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, *, turns: bool) -> frozenset[int]:
    """The tokens that end a reply: the model's own, the tokenizer's, and in turns the one that ends a turn."""
    own = getattr(model.generation_config, "eos_token_id", None)
    ends = {own} if isinstance(own, int) else {int(token) for token in own or ()}
    if tokenizer.eos_token_id is not None:
        ends.add(int(tokenizer.eos_token_id))
    if turns and (end := turn_end(tokenizer)) is not None:
        ends.add(end)
    return frozenset(ends)


class Writing:
    """A reply on its way. Each `step` writes a token.

    The model has to be in evaluation mode meanwhile; nothing else of it is changed, and no global random number is used.

    Args:
        model: the model.
        tokenizer: its tokenizer.
        prompt: text to continue, or messages ({'role', 'content'}).
        sampling: how tokens are chosen.
        kept: what the model has read already; goes on with what it reads now.
        on_text: called with each piece of the reply, always whole characters.
        around: open while the model computes, to switch its adapter.
        split_special_tokens: names of special tokens in the prompt's texts are text.

    Raises:
        UserError: the chat template refuses the messages.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        prompt: Prompt,
        sampling: Sampling,
        kept: KeptCache | None = None,
        on_text: Callable[[str], None] | None = None,
        around: Callable[[], AbstractContextManager[None]] = nullcontext,
        *,
        split_special_tokens: bool = True,
    ) -> None:
        model = plain(model)  # it computes with its adapter all the same
        self._around = around
        self._began = self._ended = time.monotonic()
        prepared = prepare(
            tokenizer,
            prompt,
            context=context_length(model.config),
            max_new_tokens=sampling.max_new_tokens,
            split_special_tokens=split_special_tokens,
        )
        self.stopped: Stopped | None = None
        self.tokens = 0
        self._model, self._tokenizer = model, tokenizer
        self._ids, self._room, self._notice = list(prepared.ids), prepared.max_new_tokens, prepared.notice
        self._ends = end_tokens(model, tokenizer, turns=not isinstance(prompt, str))
        self._text = TextStream(tokenizer, prepared.ids, on_text)
        self._kept = kept if kept is not None else KeptCache()
        self._from_cache = self._kept.cut_to_shared(self._ids)
        self._device = embedding_weights(model).device
        self._chooser = Chooser(sampling, self._device)
        self._first: float | None = None
        self._notes: list[tuple[torch.Tensor, torch.Tensor]] = []
        takes = inspect.signature(type(model).forward).parameters
        # transformers 5.23 has renamed it.
        self._cache_name = "cache" if "cache" in takes else "past_key_values"
        self._more = {"logits_to_keep": 1} if "logits_to_keep" in takes else {}

    def step(self) -> bool:
        """Write one token; False where the reply is over.

        Raises:
            UserError: the model's numbers are broken.
        """
        if self.stopped is not None:
            return False
        with torch.no_grad(), self._around():
            logits = self._read()
            chosen = self._chooser.choose(logits, self._ids)
            self._note(logits, chosen)
        token = int(chosen)
        if self._first is None:
            self._first = time.monotonic() - self._began
        if token in self._ends:
            self._notes.pop()
            return self._end("end")
        self._ids.append(token)
        self.tokens += 1
        self._text.add(token)
        return self._end("length") if self.tokens >= self._room else True

    def cancel(self) -> None:
        """End it here, with what there is."""
        if self.stopped is None:
            self._end("cancelled")

    def weights_changed(self) -> None:
        """What the model remembers of the tokens was computed with other weights: it reads them again."""
        self._kept.forget()

    def reply(self) -> Reply:
        """What was written so far."""
        notes, tokenizer, written = self._notes, self._tokenizer, self._ids[len(self._ids) - self.tokens :]
        return Reply(
            self._text.text,
            self.tokens,
            self._ended - self._began,
            self.stopped or "cancelled",
            self._notice,
            self._first,
            self._from_cache,
            lambda: as_tokens(tokenizer, written, notes),
        )

    def _end(self, how: Stopped) -> bool:
        self._text.end()
        self.stopped, self._ended = how, time.monotonic()
        return False

    def _read(self) -> torch.Tensor:
        """Let the model read what it has not read yet; the logits of what comes next, of shape (vocabulary,)."""
        kept = self._kept
        new = torch.tensor([self._ids[len(kept.ids) :]], device=self._device)
        mask = None if kept.has_state else torch.ones((1, len(self._ids)), dtype=torch.long, device=self._device)
        more = {self._cache_name: kept.cache, **self._more}
        try:
            output = self._model(input_ids=new, attention_mask=mask, use_cache=True, return_dict=True, **more)
        except BaseException:
            kept.forget()  # it may have been written to already
            raise
        kept.cache = output.get(self._cache_name)
        kept.ids = list(self._ids) if kept.cache is not None else []
        logits: torch.Tensor = output.logits[0, -1].float()
        return logits

    def _note(self, logits: torch.Tensor, chosen: torch.Tensor) -> None:
        """Note probabilities without waiting for the device: they are read when somebody looks."""
        self._notes.append(noted(logits, chosen))


def noted(logits: torch.Tensor, chosen: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Of the logits at a place: the logarithms of the greatest probabilities and of the chosen token's, and the tokens that
    the greatest belong to."""
    values, places = torch.topk(logits, min(LIKELIEST, logits.shape[0]))
    return torch.cat([values, logits[chosen].reshape(1)]) - torch.logsumexp(logits, 0), places


def as_tokens(
    tokenizer: PreTrainedTokenizerBase, written: list[int], notes: list[tuple[torch.Tensor, torch.Tensor]]
) -> tuple[Token, ...]:
    """Tokens with what was noted at their places."""

    def word(token: int) -> str:
        return str(tokenizer.decode([token], clean_up_tokenization_spaces=False))

    tokens = []
    for token, (numbers, places) in zip(written, notes, strict=True):
        *likeliest, own = numbers.exp().tolist()
        named = tuple((word(place), value) for place, value in zip(places.tolist(), likeliest, strict=True))
        tokens.append(Token(word(token), own, named))
    return tuple(tokens)


def generate(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompt: Prompt,
    sampling: Sampling,
    on_text: Callable[[str], None] | None = None,
    cancelled: Callable[[], bool] = lambda: False,
    *,
    split_special_tokens: bool = True,
) -> Reply:
    """Let a model answer, in this thread.

    The model's mode, its settings and all global random numbers are afterwards as they were.

    Args:
        prompt: text to continue, or messages ({'role', 'content'}).
        on_text: called with each piece of the reply, always whole characters.
        cancelled: asked before each token; generation stops when it says so.
        split_special_tokens: names of special tokens in the prompt's texts are text.

    Raises:
        UserError: the chat template refuses the messages, or the model's numbers are broken.
    """
    with evaluating(model):
        told = split_special_tokens
        writing = Writing(model, tokenizer, prompt, sampling, None, on_text, split_special_tokens=told)
        while not cancelled():
            if not writing.step():
                return writing.reply()
        writing.cancel()
        return writing.reply()


def generate_text(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompt: str,
    sampling: Sampling,
    *,
    split_special_tokens: bool = True,
) -> str:
    """What a model in memory writes after a prompt; for samples in the middle of a training."""
    return generate(model, tokenizer, prompt, sampling, split_special_tokens=split_special_tokens).text
