"""Whether a text is in the language of the grammar, which world it is from, and whether its story holds together.

For tests and benchmarks: it knows the grammar that the starter's texts come from and says nothing about other texts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from .grammar import World
from .matching import derivations
from .worlds.everyday import EVERYDAY
from .worlds.sea import SEA

WORLDS: tuple[World, ...] = (EVERYDAY, SEA)

_BOUNDARY = re.compile(r"(?<=[.!?])(\"?) (?![a-z])")
_BEAT = re.compile(r"<([a-z_]+)>")
_MAX_PATHS = 20_000  # ways to read a story before giving up; a story of the grammar needs a few dozen


@dataclass(frozen=True)
class Sentence:
    """A sentence and the worlds in which it is well-formed: none where it is broken or has an unknown word."""

    text: str
    worlds: frozenset[str]


@dataclass(frozen=True)
class Verdict:
    """What the judge says of a text.

    Attributes:
        sentences: each sentence of the text, with the worlds it is well-formed in.
        world: the world of more than half of the sentences; None where there is none.
        plot: the plot that the whole text can be read as one story of, in whatever order: the same character, place
            and wish from start to end, and nothing of another plot. None where it cannot.
        complete: whether the text is exactly a story of the grammar, from its first beat to its last.
    """

    sentences: tuple[Sentence, ...]
    world: str | None
    plot: str | None
    complete: bool

    @property
    def accepted(self) -> int:
        """How many sentences are well-formed in some world."""
        return sum(bool(sentence.worlds) for sentence in self.sentences)

    @property
    def consistent(self) -> bool:
        return self.plot is not None


def split_sentences(text: str) -> list[str]:
    """Sentences end with a mark, maybe a closing quote, and a space that no small letter follows."""
    marked = _BOUNDARY.sub(lambda match: match.group(1) + "\n", text.strip())
    return marked.split("\n") if marked else []


@cache
def _sentence_templates(world_name: str, plot: str) -> tuple[str, ...]:
    """The templates of all sentences that a plot can use."""
    world = _world(world_name)
    found: dict[str, None] = {}
    for beat in _BEAT.findall(world.plots[plot].story):
        for alternative in world.rules[beat]:
            found.update(dict.fromkeys(_split_template(alternative)))
    return tuple(found)


def _split_template(template: str) -> list[str]:
    """Cut an alternative of a beat into the templates of its sentences. Sentences never end inside a choice with
    something after it."""
    pieces, depth, start = [], 0, 0
    for position, character in enumerate(template):
        depth += (character == "(") - (character == ")")
        if depth == 0 and character == " " and re.search(r"[.!?]\"?$", template[:position]):
            rest = template[position + 1 :]
            if not rest[0].islower():
                pieces.append(template[start:position])
                start = position + 1
    return [*pieces, template[start:]]


def _world(name: str) -> World:
    return next(world for world in WORLDS if world.name == name)


@cache
def _worlds_of(sentence: str) -> frozenset[str]:
    """The worlds that a sentence is well-formed in."""
    return frozenset(
        world.name
        for world in WORLDS
        if any(next(_readings(world, plot, sentence, {}), None) is not None for plot in world.plots)
    )


def _readings(world: World, plot: str, text: str, bindings: Mapping[str, int]) -> Iterator[dict[str, int]]:
    """What a sentence of a plot may bind, given what is bound."""
    for template in _sentence_templates(world.name, plot):
        for derivation in derivations(world, template, text, bindings):
            yield derivation.bindings


def _holds_together(world: World, plot: str, sentences: Sequence[str]) -> bool:
    """Whether some binding of the plot's variables explains every sentence."""
    paths: list[tuple[int, dict[str, int]]] = [(0, {})]
    for _ in range(_MAX_PATHS):
        if not paths:
            return False
        index, bindings = paths.pop()
        if index == len(sentences):
            return True
        paths.extend((index + 1, found) for found in _readings(world, plot, sentences[index], bindings))
    return False


def judge(text: str) -> Verdict:
    """Judge a story, without special tokens."""
    texts = split_sentences(text)
    sentences = tuple(Sentence(part, _worlds_of(part)) for part in texts)
    for world in WORLDS:
        if 2 * sum(world.name in sentence.worlds for sentence in sentences) > len(sentences):
            plots = [plot for plot in world.plots if _holds_together(world, plot, texts)]
            plot = plots[0] if plots else None
            complete = plot is not None and any(derivations(world, world.plots[plot].story, text.strip()))
            return Verdict(sentences, world.name, plot, complete)
    return Verdict(sentences, None, None, False)


def judge_facts(reply: str, expected: Mapping[str, str]) -> tuple[bool, bool]:
    """Whether a reply to story-to-facts parses as a JSON object, and whether it is exactly the expected facts."""
    try:
        facts = json.loads(reply)
    except ValueError:
        return False, False
    return isinstance(facts, dict), facts == dict(expected)
