"""Text from a model: streamed, cancellable, and without touching the random numbers of a training beside it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from transformers import (
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    RepetitionPenaltyLogitsProcessor,
    StoppingCriteria,
    StoppingCriteriaList,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)
from transformers.generation.streamers import BaseStreamer

from tui_finetune.chat.prompts import Prompt, prepare
from tui_finetune.chat.reply import Reply, Stopped
from tui_finetune.chat.sampling import Sampling
from tui_finetune.chat.streaming import TextStream
from tui_finetune.errors import UserError
from tui_finetune.models.loading import context_length, embedding_weights
from tui_finetune.models.methods.peft_models import plain


@contextmanager
def _evaluating(model: PreTrainedModel) -> Iterator[None]:
    """Within it the model is in evaluation mode, every part of it; after it each part is as it was."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


@contextmanager
def _own_generation_config(model: PreTrainedModel) -> Iterator[list[int]]:
    """Within it the model's own generation settings are set aside; gives its end-of-text tokens.

    generate() would mix them with those that are asked for, and warn about every pair that doesn't go together.
    """
    own = model.generation_config
    ends = getattr(own, "eos_token_id", None)
    model.generation_config = GenerationConfig()
    try:
        yield [ends] if isinstance(ends, int) else [int(token) for token in ends or []]
    finally:
        model.generation_config = own


class _Chooser(LogitsProcessor):
    """The step between logits and token.

    It draws the token itself, from a generator of its own, and leaves generate() no choice: generate() can only draw
    from the global random numbers, which belong to the training.
    """

    def __init__(self, sampling: Sampling, device: torch.device) -> None:
        self._draws = sampling.temperature > 0
        self._steps: list[LogitsProcessor] = []
        if sampling.repetition_penalty != 1.0:
            self._steps.append(RepetitionPenaltyLogitsProcessor(penalty=float(sampling.repetition_penalty)))
        if self._draws:
            self._steps.append(TemperatureLogitsWarper(float(sampling.temperature)))
            if sampling.top_k > 0:
                self._steps.append(TopKLogitsWarper(sampling.top_k))
            if sampling.top_p < 1:
                self._steps.append(TopPLogitsWarper(float(sampling.top_p)))
        self._generator = torch.Generator(device=device)
        seed = sampling.seed if sampling.seed is not None else random.SystemRandom().getrandbits(62)
        self._generator.manual_seed(seed)

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        scores = scores.float()
        for step in self._steps:
            scores = step(input_ids, scores)
        if self._draws:
            chosen = torch.multinomial(scores.softmax(-1), 1, generator=self._generator)
        else:
            chosen = scores.argmax(-1, keepdim=True)
        return torch.full_like(scores, float("-inf")).scatter(1, chosen, 0.0)


class _Stream(BaseStreamer):
    """Passes the tokens on as text, and notes how the reply ended."""

    def __init__(self, text: TextStream, ends: list[int]) -> None:
        self.tokens = 0
        self.stopped: Stopped = "length"
        self._text = text
        self._ends = ends

    def put(self, value: torch.Tensor) -> None:
        if value.dim() > 1:
            return  # the prompt, which generate() passes first
        token = int(value[0])
        if token in self._ends:
            self.stopped = "end"
        else:
            self.tokens += 1
            self._text.add(token)

    def end(self) -> None:
        self._text.end()


class _Cancel(StoppingCriteria):
    """Stops before the next token where that was asked for."""

    def __init__(self, stream: _Stream, cancelled: Callable[[], bool]) -> None:
        self._stream = stream
        self._cancelled = cancelled

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor, **_: object) -> torch.Tensor:
        stop = self._stream.stopped != "end" and self._cancelled()
        if stop:
            self._stream.stopped = "cancelled"
        return torch.full((input_ids.shape[0],), stop, device=input_ids.device, dtype=torch.bool)


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
    began = time.monotonic()
    model = plain(model)  # it computes with its adapter all the same, and has the generation settings
    prepared = prepare(
        tokenizer,
        prompt,
        context=context_length(model.config),
        max_new_tokens=sampling.max_new_tokens,
        split_special_tokens=split_special_tokens,
    )
    text = TextStream(tokenizer, prepared.ids, on_text)
    with _evaluating(model), _own_generation_config(model) as ends, torch.no_grad():
        if tokenizer.eos_token_id is not None and tokenizer.eos_token_id not in ends:
            ends.append(tokenizer.eos_token_id)
        stream = _Stream(text, ends)
        if cancelled():
            stream.stopped = "cancelled"
        else:
            _run(model, tokenizer, prepared.ids, prepared.max_new_tokens, sampling, stream, ends, cancelled)
    return Reply(text.text, stream.tokens, time.monotonic() - began, stream.stopped, prepared.notice)


def _run(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    ids: list[int],
    max_new_tokens: int,
    sampling: Sampling,
    stream: _Stream,
    ends: list[int],
    cancelled: Callable[[], bool],
) -> None:
    device = embedding_weights(model).device
    inputs = torch.tensor([ids], device=device)
    settings = GenerationConfig(
        max_new_tokens=max_new_tokens,
        do_sample=False,
        use_cache=True,
        eos_token_id=ends or None,
        pad_token_id=tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0,
        bos_token_id=tokenizer.bos_token_id,
    )
    try:
        model.generate(  # type: ignore[operator] # transformers' types take it for a tensor
            inputs,
            attention_mask=torch.ones_like(inputs),
            generation_config=settings,
            logits_processor=LogitsProcessorList([_Chooser(sampling, device)]),
            stopping_criteria=StoppingCriteriaList([_Cancel(stream, cancelled)]),
            streamer=stream,
        )
    except RuntimeError as error:
        if "probability tensor" in str(error):
            raise UserError(
                "the model's numbers are broken (inf or nan)", "go back to an earlier checkpoint, or another model"
            ) from error
        raise


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
