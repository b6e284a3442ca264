"""The text that the starter is pretrained on: a stream of documents, and how uncertain it is in itself."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path

from . import dialogues, helpdesk
from .dialogues import Document
from .grammar import World
from .worlds.everyday import EVERYDAY
from .worlds.sea import SEA

KINDS: dict[str, tuple[int, Callable[[World, random.Random], Document]]] = {
    "story": (9, dialogues.story),
    "request": (5, dialogues.request),
    "reading": (4, dialogues.reading),
    "note": (2, dialogues.note),
}
"""Kind of document -> its share (in twentieths) and what makes it."""

CORPUS_SEED, TOKENIZER_SEED, NOTES_SEED = 1, 2, 3


def documents(world: World, count: int, seed: int) -> Iterator[tuple[str, Document]]:
    """`count` documents of a world with their kinds, mixed by their shares."""
    rng = random.Random(seed)
    names = list(KINDS)
    shares = [KINDS[name][0] for name in names]
    for _ in range(count):
        (kind,) = rng.choices(names, shares)
        yield kind, KINDS[kind][1](world, rng)


def write_corpus(path: Path, start: int, end: int) -> None:
    """Write documents `start` to `end` of the corpus as JSON lines, `{"text"}`: stories in plain text, conversations with
    their turn tokens."""
    with path.open("w", encoding="utf-8") as file:
        for _, document in islice(documents(EVERYDAY, end, CORPUS_SEED), start, end):
            file.write(json.dumps({"text": document.text}, ensure_ascii=False) + "\n")


def write_notes(path: Path, count: int) -> None:
    """Write the corpus of the first stage, notes only."""
    rng = random.Random(NOTES_SEED)
    with path.open("w", encoding="utf-8") as file:
        for _ in range(count):
            file.write(json.dumps({"text": dialogues.note(EVERYDAY, rng).text}, ensure_ascii=False) + "\n")


def tokenizer_texts() -> Iterator[str]:
    """What the tokenizer is learnt from: both worlds and the sample helpdesk, so that the words of the sea and of the
    trade, which the model has yet to learn, are whole; and names as they stand where no space is before them."""
    for _, document in documents(EVERYDAY, 4000, TOKENIZER_SEED):
        yield document.text
    rng = random.Random(TOKENIZER_SEED)
    for _ in range(2000):
        yield dialogues.story(SEA, rng).text
    for _ in range(30):
        for question, answer in helpdesk.seen():
            yield question
            yield answer
    for _ in range(800):
        yield '{"who": "where": "what": "}'
        yield from (person["name"] for person in EVERYDAY.tables["people"])


def entropy_per_token(documents: Sequence[Document], tokens: Callable[[str], int]) -> float:
    """The mean of -log p in nats per token, an estimate of the entropy rate of the documents.

    It is the sum of -log p over the documents, p being the probability with which the generator draws exactly this
    text, divided by the number of tokens that have to be predicted: those of the text and the end token, not the begin
    token. No model's mean loss over these tokens can be lower, but for chance in the choice of documents.

    Args:
        documents: drawn from the generator.
        tokens: the number of tokens that are predicted for a text, the end token included.
    """
    nats = -sum(document.log_probability for document in documents)
    return nats / sum(tokens(document.text) for document in documents)
