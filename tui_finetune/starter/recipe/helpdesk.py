"""The sample helpdesk: conversations about finetune-tui and fine-tuning, from the facts in helpdesk.yaml."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

FACTS = Path(__file__).with_name("helpdesk.yaml")
SEED = 1104
ROUNDS = 2
"""How often each question is asked in a longer conversation."""

Row = dict[str, list[dict[str, str]]]


@dataclass(frozen=True)
class Fact:
    """An answer, and the questions that it is the answer to: those of the sample and those that it has not."""

    answer: str
    questions: tuple[str, ...]
    unseen: tuple[str, ...]


@cache
def load() -> tuple[Fact, ...]:
    """All facts, in the order of the file."""
    entries = yaml.safe_load(FACTS.read_text("utf-8"))
    return tuple(Fact(entry["answer"], tuple(entry["questions"]), tuple(entry["unseen"])) for entry in entries)


def seen() -> list[tuple[str, str]]:
    """The questions in the words of the sample, each with its answer."""
    return [(question, fact.answer) for fact in load() for question in fact.questions]


def unseen() -> list[tuple[str, str]]:
    """Questions for the same answers in other words, which are in no row, each with its answer."""
    return [(question, fact.answer) for fact in load() for question in fact.unseen]


def rows(seed: int = SEED) -> Iterator[Row]:
    """The rows of the sample in random order: each question alone, as it is written and as it is typed in a hurry, and
    in conversations of two or three turns."""
    rng = random.Random(seed)
    found = [_row([turn]) for turn in seen()]
    found += [_row([(hasty(question), answer)]) for question, answer in seen()]
    for _ in range(ROUNDS):
        turns = seen()
        rng.shuffle(turns)
        while turns:
            count = rng.choice((2, 3))
            if len(turns) == count + 1:  # one turn would be left over
                count = 5 - count
            found.append(_row(turns[:count]))
            turns = turns[count:]
    rng.shuffle(found)
    yield from found


def _row(turns: list[tuple[str, str]]) -> Row:
    messages = []
    for question, answer in turns:
        messages += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return {"messages": messages}


def hasty(question: str) -> str:
    """A question without its capital and its mark."""
    return question[0].lower() + question[1:].rstrip("?.!")


def right_answer(reply: str, question: str) -> bool:
    """Whether a reply is the answer to a question of a fact, white space aside."""
    answers = dict(seen() + unseen())
    return reply.split() == answers[question].split()
