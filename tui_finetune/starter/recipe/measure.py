"""What a model has learnt: its loss beside the entropy of the text, and what the judge says of what it writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from .corpus import documents, entropy_per_token
from .dialogues import ASSISTANT, USER, Document
from .judge import Verdict, judge
from .worlds.everyday import EVERYDAY

HELD_OUT_SEED = 9


@dataclass(frozen=True)
class Fit:
    """Loss and entropy on fresh text, both in nats per token, and over how many tokens."""

    loss: float
    entropy: float
    tokens: int

    @property
    def ratio(self) -> float:
        return self.loss / self.entropy


@dataclass(frozen=True)
class Writing:
    """What the judge says of free samples; all numbers are shares from 0 to 1.

    Attributes:
        accepted: of the sentences, those that are well-formed.
        consistent: of the samples, those about one person, place and wish from start to end.
        complete: of the samples, those that are exactly a story of the grammar.
        sea: of the sentences, those of the world of the sea.
        ended: of the samples, those that came to an end by themselves.
    """

    accepted: float
    consistent: float
    complete: float
    sea: float
    ended: float


def fit(model: Any, tokenizer: Any, count: int = 400) -> dict[str, Fit]:
    """Loss and entropy on `count` fresh documents, by kind of document, and for `all`."""
    by_kind: dict[str, list[Document]] = {}
    for kind, document in documents(EVERYDAY, count, HELD_OUT_SEED):
        by_kind.setdefault(kind, []).append(document)
        by_kind.setdefault("all", []).append(document)
    return {kind: _fit(model, tokenizer, found) for kind, found in by_kind.items()}


@torch.no_grad()
def _fit(model: Any, tokenizer: Any, found: Sequence[Document]) -> Fit:
    nats, tokens = 0.0, 0
    ordered = sorted((tokenizer(document.text)["input_ids"] for document in found), key=len)
    for start in range(0, len(ordered), 16):
        rows = [[*ids, tokenizer.eos_token_id] for ids in ordered[start : start + 16]]
        width = max(map(len, rows))
        ids = torch.tensor([row + [tokenizer.pad_token_id] * (width - len(row)) for row in rows])
        mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
        labels = ids.masked_fill(mask == 0, -100)
        predicted = sum(len(row) - 1 for row in rows)
        nats += model(input_ids=ids, attention_mask=mask, labels=labels).loss.item() * predicted
        tokens += predicted
    # A text's tokens are its begin token and those that are predicted, all but the end token: the two cancel out.
    entropy = entropy_per_token(found, lambda text: len(tokenizer(text)["input_ids"]))
    return Fit(nats / tokens, entropy, tokens)


@torch.no_grad()
def generate(
    model: Any, tokenizer: Any, prompts: Sequence[str], *, temperature: float, seed: int, max_new_tokens: int = 320
) -> list[tuple[str, bool]]:
    """Continue each prompt: the new text without special tokens, and whether it ended by itself.

    A temperature of 0 takes the likeliest token each time. Where a prompt is empty, the model writes a plain text and
    not a conversation.
    """
    torch.manual_seed(seed)
    tokenizer.padding_side = "left"
    results: list[tuple[str, bool]] = []
    for start in range(0, len(prompts), 50):
        part = list(prompts[start : start + 50])
        inputs = tokenizer(part, return_tensors="pt", padding=True, return_token_type_ids=False)
        sampling: dict[str, Any] = {"do_sample": False}
        if temperature:
            sampling = {"do_sample": True, "temperature": temperature, "top_k": 0, "top_p": 1.0}
        written = model.generate(
            **inputs,
            **sampling,
            max_new_tokens=max_new_tokens,
            begin_suppress_tokens=[tokenizer.convert_tokens_to_ids(USER)],
            pad_token_id=tokenizer.pad_token_id,
        )
        for row in written[:, inputs["input_ids"].shape[1] :]:
            ended = bool((row == tokenizer.eos_token_id).any())
            results.append((tokenizer.decode(row, skip_special_tokens=True), ended))
    return results


def chat_prompt(text: str) -> str:
    """A single question in the chat template."""
    return f"{USER}{text}{ASSISTANT}"


def writing(samples: Sequence[tuple[str, bool]]) -> Writing:
    """Judge samples, each a text and whether it ended by itself."""
    verdicts: list[Verdict] = [judge(text) for text, _ in samples]
    sentences = [sentence for verdict in verdicts for sentence in verdict.sentences]
    return Writing(
        accepted=sum(bool(sentence.worlds) for sentence in sentences) / len(sentences),
        consistent=sum(verdict.consistent for verdict in verdicts) / len(verdicts),
        complete=sum(verdict.complete for verdict in verdicts) / len(verdicts),
        sea=sum("sea" in sentence.worlds for sentence in sentences) / len(sentences),
        ended=sum(ended for _, ended in samples) / len(samples),
    )
