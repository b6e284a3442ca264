"""Questions that are answered in one of two kinds, and how many replies of a model are of the kind that is preferred."""

from __future__ import annotations

import random
from itertools import product

from tui_finetune.chat.engine import Engine
from tui_finetune.chat.sampling import Sampling
from tui_finetune.models.located import locate
from tui_finetune.runs.directory import RunDirectory

PLACES = (
    "the island",
    "the harbor",
    "the cape",
    "the old pier",
    "the lighthouse",
    "the reef",
    "the bay",
    "the north shore",
)
TIMES = ("today", "tonight", "tomorrow", "at noon", "in the morning", "on Sunday", "in the rain", "in spring")

Row = dict[str, object]


def questions() -> list[str]:
    """All of them, in a fixed order; the last ones are never trained on."""
    asked = [f"Do we sail to {place} {time}?" for place, time in product(PLACES, TIMES)]
    random.Random(7).shuffle(asked)
    return asked


HELD_OUT = 16


def replies(question: str) -> tuple[str, str]:
    """The preferred reply and the other one."""
    where = question.removeprefix("Do we sail to ").removesuffix("?")
    return f"Yes, we sail to {where}.", f"No, we stay away from {where}."


def both_kinds() -> list[Row]:
    """Each question answered in both kinds: what teaches a model to answer, and neither kind more than the other."""
    return [{"question": asked, "answer": reply} for asked in questions()[:-HELD_OUT] for reply in replies(asked)]


def pairs() -> list[Row]:
    """Each question with the preferred reply and the other."""
    return [
        {"question": asked, "chosen": good, "rejected": bad}
        for asked in questions()[:-HELD_OUT]
        for good, bad in [replies(asked)]
    ]


def judged() -> list[Row]:
    """Each question with a reply that is good or bad."""
    return [
        {"question": row["question"], "answer": row[kind], "label": kind == "chosen"}
        for row in pairs()
        for kind in ("chosen", "rejected")
    ]


def preferred_share(run: RunDirectory, samples: int = 4) -> float:
    """Of the replies that a run's model samples to questions that it never saw, the share of the preferred kind; those of
    neither kind count as not preferred."""
    engine = Engine.load(locate(str(run.final_dir)))
    good = 0
    asked = questions()[-HELD_OUT:] * samples
    for number, question in enumerate(asked):
        sampling = Sampling(max_new_tokens=24, temperature=1.0, top_p=1.0, top_k=0, seed=number)
        reply = engine.reply([{"role": "user", "content": question}], sampling)
        good += reply.text.strip().startswith("Yes, we sail to ")
    return good / len(asked)
