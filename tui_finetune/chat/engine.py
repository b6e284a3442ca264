"""Text from a model: streamed, cancellable, and without touching the random numbers of a training beside it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from tui_finetune.chat.prompts import Prompt, prepare
from tui_finetune.chat.sampling import Sampling
from tui_finetune.chat.streaming import TextStream
from tui_finetune.errors import UserError
from tui_finetune.models.located import LocatedModel
from tui_finetune.system.progress import Report

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

Stopped = Literal["end", "length", "cancelled"]


@dataclass(frozen=True)
class Reply:
    """What the model wrote.

    Attributes:
        tokens: generated tokens, the end-of-text token not counted.
        seconds: from the call to the last token.
        stopped: 'end' where the model ended it, 'length' where it was long enough, 'cancelled'.
        notice: what of the prompt was left out because it was too long, '' where nothing was.
    """

    text: str
    tokens: int
    seconds: float
    stopped: Stopped
    notice: str = ""


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
    from transformers import GenerationConfig

    own = model.generation_config
    ends = getattr(own, "eos_token_id", None)
    model.generation_config = GenerationConfig()
    try:
        yield [ends] if isinstance(ends, int) else [int(token) for token in ends or []]
    finally:
        model.generation_config = own


def _chooser(sampling: Sampling, device: Any) -> Any:
    """The step between logits and token, as transformers' logits processor.

    It draws the token itself, from a generator of its own, and leaves generate() no choice: generate() can only draw
    from the global random numbers, which belong to the training.
    """
    import torch
    from transformers import (
        LogitsProcessor,
        RepetitionPenaltyLogitsProcessor,
        TemperatureLogitsWarper,
        TopKLogitsWarper,
        TopPLogitsWarper,
    )

    steps: list[Any] = []
    if sampling.repetition_penalty != 1.0:
        steps.append(RepetitionPenaltyLogitsProcessor(penalty=float(sampling.repetition_penalty)))
    if sampling.temperature > 0:
        steps.append(TemperatureLogitsWarper(float(sampling.temperature)))
        if sampling.top_k > 0:
            steps.append(TopKLogitsWarper(sampling.top_k))
        if sampling.top_p < 1:
            steps.append(TopPLogitsWarper(float(sampling.top_p)))
    generator = torch.Generator(device=device)
    generator.manual_seed(sampling.seed if sampling.seed is not None else random.SystemRandom().getrandbits(62))

    class Chooser(LogitsProcessor):
        def __call__(self, input_ids: Any, scores: Any) -> Any:
            scores = scores.float()
            for step in steps:
                scores = step(input_ids, scores)
            if sampling.temperature > 0:
                chosen = torch.multinomial(scores.softmax(-1), 1, generator=generator)
            else:
                chosen = scores.argmax(-1, keepdim=True)
            return torch.full_like(scores, float("-inf")).scatter(1, chosen, 0.0)

    return Chooser()


def generate(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompt: Prompt,
    sampling: Sampling,
    on_text: Callable[[str], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Reply:
    """Let a model answer, in this thread.

    The model's mode, its settings and all global random numbers are afterwards as they were.

    Args:
        prompt: text to continue, or messages ({'role', 'content'}).
        on_text: called with each piece of the reply, always whole characters.
        cancelled: asked before each token; generation stops when it says so.

    Raises:
        UserError: the chat template refuses the messages, or the model's numbers are broken.
    """
    import torch
    from transformers import GenerationConfig, LogitsProcessorList, StoppingCriteria, StoppingCriteriaList
    from transformers.generation.streamers import BaseStreamer

    from tui_finetune.models.loading import context_length

    began = time.monotonic()
    prepared = prepare(tokenizer, prompt, context=context_length(model.config), max_new_tokens=sampling.max_new_tokens)
    stream = TextStream(tokenizer, prepared.ids, on_text)
    device = model.get_input_embeddings().weight.device
    ids = torch.tensor([prepared.ids], device=device)
    state: dict[str, Any] = {"tokens": 0, "stopped": "length"}

    with _evaluating(model), _own_generation_config(model) as ends, torch.no_grad():
        if tokenizer.eos_token_id is not None and tokenizer.eos_token_id not in ends:
            ends.append(tokenizer.eos_token_id)

        class Streamer(BaseStreamer):
            def put(self, value: Any) -> None:
                if value.dim() > 1:
                    return  # the prompt, which generate() passes first
                token = int(value[0])
                if token in ends:
                    state["stopped"] = "end"
                else:
                    state["tokens"] += 1
                    stream.add(token)

            def end(self) -> None:
                stream.end()

        class Cancel(StoppingCriteria):
            def __call__(self, input_ids: Any, scores: Any, **_: Any) -> Any:
                stop = cancelled is not None and state["stopped"] != "end" and cancelled()
                if stop:
                    state["stopped"] = "cancelled"
                return torch.full((input_ids.shape[0],), stop, device=input_ids.device, dtype=torch.bool)

        try:
            if cancelled is not None and cancelled():
                state["stopped"] = "cancelled"
            else:
                model.generate(
                    ids,
                    attention_mask=torch.ones_like(ids),
                    generation_config=GenerationConfig(
                        max_new_tokens=prepared.max_new_tokens,
                        do_sample=False,
                        use_cache=True,
                        eos_token_id=ends or None,
                        pad_token_id=tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0,
                        bos_token_id=tokenizer.bos_token_id,
                    ),
                    logits_processor=LogitsProcessorList([_chooser(sampling, device)]),
                    stopping_criteria=StoppingCriteriaList([Cancel()]),
                    streamer=Streamer(),
                )
        except RuntimeError as error:
            if "probability tensor" in str(error):
                raise UserError(
                    "the model's numbers are broken (inf or nan)", "go back to an earlier checkpoint, or another model"
                ) from error
            raise
    return Reply(stream.text, state["tokens"], time.monotonic() - began, state["stopped"], prepared.notice)


def generate_text(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, prompt: str, sampling: Sampling) -> str:
    """What a model in memory writes after a prompt; for samples in the middle of a training."""
    return generate(model, tokenizer, prompt, sampling).text


class Engine:
    """A model that answers. Use from one thread at a time."""

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, name: str) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.name = name

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
        from tui_finetune.models.loading import load_model, load_tokenizer

        tokenizer = load_tokenizer(model)
        loaded = load_model(model, tokenizer=tokenizer, report=report)
        device = best_device()
        if device == "cuda" and device_facts().bf16_good:
            loaded.to(dtype=torch.bfloat16)
        try:
            loaded.to(device=torch.device(device))
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

    def reply(
        self,
        prompt: Prompt,
        sampling: Sampling,
        on_text: Callable[[str], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Reply:
        """Answer, in the caller's thread; see `generate`."""
        return generate(self.model, self.tokenizer, prompt, sampling, on_text, cancelled)
