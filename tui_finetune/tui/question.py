"""A question to the person, and its answers. How it is shown is `dialogs.confirm`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Choice:
    """One answer: what is returned, the key that gives it, and the words on its button.

    An answer that loses something has another key than the one that led to the question, which may be held down.
    """

    answer: str
    key: str
    label: str


@dataclass(frozen=True)
class Question:
    """Something that is asked before it is done.

    Attributes:
        question: one line.
        consequence: what follows from the answers, in a sentence or two.
        choices: the answers; the first is the safe one and has the focus.
    """

    question: str
    consequence: str
    choices: tuple[Choice, ...]
