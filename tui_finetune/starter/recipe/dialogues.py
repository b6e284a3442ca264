"""Stories in plain text, and conversations about them in chat turns, each with its exact probability."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from .grammar import Draw, World, draw

USER, ASSISTANT, END = "<|user|>", "<|assistant|>", "<|eos|>"
"""The turn tokens of the chat template. A reply ends with the end token, as a story does."""

_GREETINGS = (
    ("(Hello|hello|Hi|hi|Hey|Good morning|Good evening)(.|!|)", "Hello! Shall I tell you a story?"),
    ("(Who|What) are you?", "I am a small language model. I tell short stories and answer questions about them."),
    ("What can you do?", "I tell short stories and answer questions about them. Shall I tell you one?"),
    ("How are you?", "Very well, thank you. Shall I tell you a story?"),
    ("(Thank you|Thanks)(.|!)", "You are welcome. Would you like another story?"),
)
_YES = "(Yes|yes|Yes, please|Please do|Of course)(.|!|)"
_ASK = "((4:Tell|2:tell|Please tell) me|Can you tell me|I would like to hear|Write)"
_PLEASE = "(3:.|, please.|!|2:)"
_ANOTHER = "(Another one|another one|One more|Tell me another story)(.|, please.|!|)"


@dataclass(frozen=True)
class Document:
    """One document of the corpus, without the end token that closes it.

    Attributes:
        text: the text, with turn tokens where it is a conversation.
        plot: the plot of its story; empty in a note.
        story: the story alone.
        log_probability: the natural logarithm of the probability that its maker draws exactly this text.
    """

    text: str
    plot: str
    story: Draw
    log_probability: float


def note(world: World, rng: random.Random) -> Document:
    """A sentence or two, mostly with a question about them."""
    said = draw(world, "<note>", rng)
    return Document(said.text, "", said, said.log_probability)


def story(world: World, rng: random.Random) -> Document:
    """A story in plain text: a plot, each equally likely, and its beats."""
    plot, log_probability = _plot(world, rng)
    told = draw(world, world.plots[plot].story, rng)
    return Document(told.text, plot, told, log_probability + told.log_probability)


def request(world: World, rng: random.Random) -> Document:
    """The user asks for a story, sometimes after a greeting and sometimes naming who or what it shall be about. Then
    they ask for another, or up to three questions about the first."""
    plot, log_probability = _plot(world, rng)
    greeting = ""
    if rng.random() < 0.2:
        index = rng.randrange(len(_GREETINGS))
        said, reply = _GREETINGS[index]
        log_probability += math.log(0.2 / len(_GREETINGS))
        greeting = f"{USER}{said}{ASSISTANT}{reply}{END}"
        wish = f"(2:{_YES}|{_ASK} <subject_{plot}>{_PLEASE})"
    else:
        log_probability += math.log(0.8)
        wish = f"{_ASK} <subject_{plot}>{_PLEASE}"
    told = draw(world, greeting + USER + wish + ASSISTANT, rng)
    tale = draw(world, world.plots[plot].story, rng, told.bindings)
    log_probability += told.log_probability + tale.log_probability
    if rng.random() < 0.2:
        wanted, second = draw(world, f"{END}{USER}{_ANOTHER}{ASSISTANT}", rng), story(world, rng)
        log_probability += math.log(0.2) + wanted.log_probability + second.log_probability
        return Document(told.text + tale.text + wanted.text + second.text, plot, tale, log_probability)
    log_probability += math.log(0.8)
    count = rng.choice((0, 1, 2, 3))
    log_probability -= math.log(4)
    asked, log_asked = _questions(world, plot, tale, rng, count)
    return Document(told.text + tale.text + asked, plot, tale, log_probability + log_asked)


def reading(world: World, rng: random.Random) -> Document:
    """The user tells a story and asks one to four questions about it."""
    plot, log_probability = _plot(world, rng)
    tale = draw(world, world.plots[plot].story, rng)
    count = rng.choice((1, 2, 3, 4))
    log_probability += tale.log_probability - math.log(4)
    asked, log_asked = _questions(world, plot, tale, rng, count)
    text = USER + tale.text + " " + asked.removeprefix(END + USER)
    return Document(text, plot, tale, log_probability + log_asked)


def _plot(world: World, rng: random.Random) -> tuple[str, float]:
    return rng.choice(sorted(world.plots)), -math.log(len(world.plots))


def _questions(world: World, plot: str, tale: Draw, rng: random.Random, count: int) -> tuple[str, float]:
    """`count` different questions about a story in any order, and the log-probability of this choice."""
    questions = world.plots[plot].questions
    chosen = rng.sample(range(len(questions)), count)
    turns = [f"{END}{USER}{questions[i][0]}{ASSISTANT}{questions[i][1]}" for i in chosen]
    asked = draw(world, "".join(turns), rng, tale.bindings)
    ways = math.perm(len(questions), count)
    return asked.text, asked.log_probability - math.log(ways)
