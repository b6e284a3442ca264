"""Several prompts answered at once, and losses on answers that are given."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from tui_finetune.chat.choose import Chooser
from tui_finetune.chat.generate import as_tokens, end_tokens, evaluating, noted
from tui_finetune.chat.prompts import Prepared, Prompt, encode
from tui_finetune.chat.reply import Token
from tui_finetune.chat.sampling import Sampling
from tui_finetune.models.loading import context_length, embedding_weights
from tui_finetune.models.methods.peft_models import plain

if TYPE_CHECKING:
    from tui_finetune.chat.engine import Engine


def answer_batch(
    engine: Engine, prompts: Sequence[Prepared], sampling: Sampling, *, turns: bool
) -> list[tuple[str, int]]:
    """The answers to prompts that are read and answered at once, each with its length in tokens.

    Shorter prompts are padded on the left, where nothing attends to them and no position is counted.
    """
    model, tokenizer = plain(engine.model), engine.tokenizer
    device = embedding_weights(model).device
    ends = end_tokens(model, tokenizer, turns=turns)
    pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0
    width = max(len(prompt.ids) for prompt in prompts)
    ids = torch.tensor([[pad] * (width - len(p.ids)) + p.ids for p in prompts], device=device)
    mask = torch.tensor([[0] * (width - len(p.ids)) + [1] * len(p.ids) for p in prompts], device=device)
    takes = inspect.signature(type(model).forward).parameters
    cache_name = "cache" if "cache" in takes else "past_key_values"
    more: dict[str, object] = {"logits_to_keep": 1} if "logits_to_keep" in takes else {}
    choosers = [Chooser(sampling, device) for _ in prompts]
    written: list[list[int]] = [[] for _ in prompts]
    going = [True] * len(prompts)
    cache: object = None
    with evaluating(model), torch.no_grad(), engine.as_itself():
        while any(going):
            if "position_ids" in takes:
                more["position_ids"] = (mask.cumsum(-1) - 1).clamp(min=0)[:, -ids.shape[1] :]
            output = model(input_ids=ids, attention_mask=mask, use_cache=True, **{cache_name: cache}, **more)
            cache = output.get(cache_name)
            logits = output.logits[:, -1].float()
            new = []
            for row, (prompt, chooser) in enumerate(zip(prompts, choosers, strict=True)):
                if not going[row]:
                    new.append(pad)
                    continue
                token = int(chooser.choose(logits[row], [*prompt.ids, *written[row]]))
                if token in ends:
                    going[row] = False
                else:
                    written[row].append(token)
                    going[row] = len(written[row]) < prompt.max_new_tokens
                new.append(token)
            ids = torch.tensor(new, device=device).unsqueeze(1)
            mask = torch.cat([mask, torch.ones_like(ids)], 1)
    return [(str(tokenizer.decode(row, skip_special_tokens=True)), len(row)) for row in written]


def token_losses(engine: Engine, prompt: list[int], expected: list[int], context: int | None) -> list[float]:
    """The loss of each expected token in nats, given the prompt and what is expected before it.

    Args:
        engine: the model.
        prompt: tokens; at least one.
        expected: tokens.
        context: tokens that the model can see at once; of more, the end of the expected ones is left out.
    """
    ids = [*prompt, *expected][: context or None]
    if len(ids) <= len(prompt):
        return []
    tensor = torch.tensor([ids], device=embedding_weights(engine.model).device)
    with evaluating(engine.model), torch.no_grad(), engine.as_itself():
        logits = engine.model(input_ids=tensor).logits[0, len(prompt) - 1 : -1].float()
    losses = torch.nn.functional.cross_entropy(logits, tensor[0, len(prompt) :], reduction="none")
    return [float(loss) for loss in losses.tolist()]


def expected_tokens(engine: Engine, prompt: Prompt, expected: str) -> tuple[Token, ...]:
    """The tokens of an expected answer, each with the probability that a model gives it after the prompt and what is
    expected before it; empty where the context has no room for any.

    Args:
        engine: the model.
        prompt: text to continue, or messages.
        expected: the answer.
    """
    given = encode(engine.tokenizer, prompt)
    wanted = list(engine.tokenizer(expected, add_special_tokens=False)["input_ids"])
    ids = [*given, *wanted][: context_length(plain(engine.model).config) or None]
    if len(ids) <= len(given):
        return ()
    tensor = torch.tensor([ids], device=embedding_weights(engine.model).device)
    with evaluating(engine.model), torch.no_grad(), engine.as_itself():
        logits = engine.model(input_ids=tensor).logits[0, len(given) - 1 : -1].float()
    notes = [noted(row, token) for row, token in zip(logits, tensor[0, len(given) :], strict=True)]
    return as_tokens(engine.tokenizer, ids[len(given) :], notes)


def loss_of(engine: Engine, prompt: list[int], expected: list[int], context: int | None) -> float | None:
    """The mean loss on an expected answer; None where none of it has room."""
    losses = token_losses(engine, prompt, expected, context)
    return sum(losses) / len(losses) if losses else None
