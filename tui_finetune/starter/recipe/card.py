"""The starter's model card, from what was measured."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .measure import Fit, Writing


@dataclass(frozen=True)
class RunFacts:
    """Steps, tokens and seconds of a run; the seconds are those between the first and the last logged step."""

    steps: int
    tokens: int
    seconds: float


def run_facts(run: Path) -> RunFacts:
    """Read from a run's event log how long its training was."""
    metrics = []
    for line in (run / "events.jsonl").read_text("utf-8").splitlines():
        event = json.loads(line)
        if event["type"] == "metrics" and "loss" in event:
            metrics.append(event)
    tokens = max(int(event.get("num_tokens", 0)) for event in metrics)
    return RunFacts(metrics[-1]["step"], tokens, metrics[-1]["time"] - metrics[0]["time"])


def starter_card(
    parameters: int,
    vocabulary: int,
    notes: int,
    documents: int,
    runs: Sequence[RunFacts],
    fits: Mapping[str, Fit],
    writing: Writing,
) -> str:
    """The card as Markdown with the metadata that the hub reads.

    Args:
        parameters, vocabulary: sizes of the model.
        notes, documents: how many there were of the first stage and of the others together.
        runs: the stages'.
        fits, writing: what was measured.
    """
    names = {
        "all": "all",
        "story": "stories",
        "request": "asking for a story",
        "reading": "questions about a story",
        "note": "notes",
    }
    steps, tokens = sum(run.steps for run in runs), sum(run.tokens for run in runs)
    minutes = sum(run.seconds for run in runs) / 60
    rows = "\n".join(
        f"| {name} | {fits[kind].entropy:.3f} | {fits[kind].loss:.3f} | {fits[kind].ratio:.3f} |"
        for kind, name in names.items()
    )
    return f"""---
license: mit
language: en
library_name: transformers
pipeline_tag: text-generation
---

# The starter

A language model of {parameters / 1e6:.1f} million parameters that writes short everyday stories and answers simple
questions about them. It comes with finetune-tui, so that fine-tuning can be tried at once and without a network: small
enough to be trained on a laptop in a minute, and really pretrained, so that there is something to fine-tune.

It knows nothing but its stories. It is for learning and trying, not for use.

## Architecture

Llama: 4 layers of width 160, 5 heads, 512 tokens of context, embeddings tied, half precision. Byte-level BPE with
{vocabulary:,} tokens. The tokenizer puts `<|bos|>` before each text, as Llama's does, so that the model can write from
nothing; it does not add `<|eos|>`, which ends each document and each reply and is added in training. A conversation is
`<|bos|><|user|>question<|assistant|>reply<|eos|><|user|>...`, as the chat template makes it; a system message is put
before the first question.

## Training

All text is drawn from a grammar made for it (`recipe/`). First {notes:,} notes, a few words long, from which it learns
that what was mentioned comes again; then {documents:,} documents, most of them everyday stories, in plain text and as
conversations in which a story is asked for or asked about, in two stages with a learning rate that falls to nothing.
Together {steps:,} steps and {tokens / 1e6:.1f} million tokens, none of the documents seen twice, in {minutes:.0f} minutes on
two CPU cores that had other work as well.

The tokenizer has also seen tales of the sea and answers about fine-tuning; the model has not. The tokens of their words,
which training could only push away, were given embeddings of their own at the end.

It was pretrained with finetune-tui itself, by `recipe/notes.yaml` and `recipe/config.yaml`. To make it again:

    python -m tui_finetune.starter.recipe --out DIR

## Results

The grammar's probabilities are known, and so is the entropy of its text, below which no model's loss can be. In nats
per token, on fresh documents, the end token included:

| documents | entropy | loss | loss / entropy |
|---|---|---|---|
{rows}

Of 200 stories from nothing at temperature 0.8:

| | share |
|---|---|
| sentences that are well-formed | {writing.accepted:.1%} |
| stories about one person, one place and one wish throughout | {writing.consistent:.1%} |
| stories that are exactly in the grammar's language | {writing.complete:.1%} |
| stories that end by themselves | {writing.ended:.1%} |
"""
