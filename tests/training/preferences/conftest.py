"""Tiny runs that learn preferences."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tiny import sentences
from tests.training.conftest import Train, make_place, train_in

ROWS = 30


def pairs() -> list[dict[str, object]]:
    """Prompts with a better and a worse reply."""
    texts = [sentences(ROWS, seed, 2, 6) for seed in (1, 2, 3)]
    return [{"prompt": p, "chosen": c, "rejected": r} for p, c, r in zip(*texts, strict=True)]


def judged() -> list[dict[str, object]]:
    """Prompts with a reply that is good or bad."""
    return [
        {"prompt": row["prompt"], "completion": row["chosen" if good else "rejected"], "label": good}
        for number, row in enumerate(pairs())
        for good in (number % 2 == 0,)
    ]


def write(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def shared_place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A place to work in with pairs.jsonl and judged.jsonl, for all tests of a module."""
    with pytest.MonkeyPatch.context() as patch:
        place = make_place(tmp_path_factory.mktemp("preferences"), patch)
        write(place / "pairs.jsonl", pairs())
        write(place / "judged.jsonl", judged())
        yield place


@pytest.fixture(scope="module")
def learn(shared_place: Path, models: Path) -> Train:
    """Train there; as `train`, on the pairs."""
    train = train_in(shared_place, models)

    def run(name: str, **settings: object):
        if settings.get("resume"):
            return train(name, **settings)
        usual: dict[str, object] = {"dataset_name": "pairs.jsonl", "sample_prompts": "off", "max_steps": 6}
        return train(name, **{**usual, **settings})

    return run
