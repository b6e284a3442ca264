"""The sample data sets that come along, drawn from the grammar or, helpdesk, from the facts in helpdesk.yaml.

`python -m tui_finetune.starter.recipe.samples` writes them anew.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator, Mapping

from tui_finetune.starter.paths import SAMPLES

from . import dialogues, helpdesk
from .grammar import World, draw
from .worlds.everyday import EVERYDAY
from .worlds.sea import SEA

FOLDER = SAMPLES

SEA_TALES_SEED, TINY_SEED, FACTS_SEED = 1101, 1102, 1103


def sea_tales() -> Iterator[dict[str, str]]:
    """Tales of the sea, `{"text"}`."""
    rng = random.Random(SEA_TALES_SEED)
    for _ in range(500):
        yield {"text": dialogues.story(SEA, rng).text}


def tiny() -> Iterator[dict[str, str]]:
    """So few tales that a model soon knows them by heart, `{"text"}`."""
    rng = random.Random(TINY_SEED)
    for _ in range(40):
        yield {"text": dialogues.story(SEA, rng).text}


def story_to_facts(seed: int = FACTS_SEED, rows: int = 500) -> Iterator[dict[str, str]]:
    """Everyday stories and what is true in them, `{"prompt", "completion"}`; the completion is a JSON object."""
    rng = random.Random(seed)
    for _ in range(rows):
        document = dialogues.story(EVERYDAY, rng)
        yield {"prompt": document.text + "\n", "completion": json.dumps(facts(EVERYDAY, document))}


def facts(world: World, document: dialogues.Document) -> dict[str, str]:
    """Who, where and what of a story."""
    templates = world.plots[document.plot].facts
    bindings = document.story.bindings
    # Nothing is drawn here: the story has bound all that its facts are about.
    return {name: draw(world, text, random.Random(0), bindings).text for name, text in templates.items()}


def lines(rows: Iterable[Mapping[str, object]]) -> str:
    """JSON lines."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def contents() -> dict[str, str]:
    """File name -> content of every sample."""
    return {
        "sea-tales.jsonl": lines(sea_tales()),
        "helpdesk.jsonl": lines(helpdesk.rows()),
        "story-to-facts.jsonl": lines(story_to_facts()),
        "tiny.jsonl": lines(tiny()),
    }


def main() -> None:
    for name, content in contents().items():
        (FOLDER / name).write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main()
