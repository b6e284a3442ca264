"""The sample data sets are what the generator makes, small, and of the form that they claim."""

import json

import pytest

from tui_finetune.data.samples import list_samples
from tui_finetune.starter.recipe import samples
from tui_finetune.starter.recipe.judge import judge

CONTENTS = samples.contents()
SIZES = {
    "sea-tales.jsonl": (150_000, 400_000),
    "helpdesk.jsonl": (150_000, 400_000),
    "story-to-facts.jsonl": (150_000, 400_000),
    "tiny.jsonl": (1, 50_000),
}


@pytest.mark.parametrize("name", CONTENTS)
def test_files_are_the_generators_byte_for_byte(name: str) -> None:
    assert (samples.FOLDER / name).read_bytes() == CONTENTS[name].encode()


@pytest.mark.parametrize(("name", "bounds"), SIZES.items())
def test_files_are_small(name: str, bounds: tuple[int, int]) -> None:
    assert bounds[0] <= (samples.FOLDER / name).stat().st_size <= bounds[1]


def test_every_sample_has_a_line_about_it() -> None:
    found = {sample.name: sample for sample in list_samples()}
    assert list(found) == ["sea-tales", "helpdesk", "story-to-facts", "tiny"]
    assert all(sample.summary for sample in found.values())
    assert found["tiny"].rows == 40


def test_tales_are_of_the_sea_and_differ() -> None:
    texts = [json.loads(line)["text"] for line in CONTENTS["sea-tales.jsonl"].splitlines()]
    assert len(set(texts)) == len(texts)
    assert all(judge(text).world == "sea" and judge(text).complete for text in texts[:10])
    tiny = {json.loads(line)["text"] for line in CONTENTS["tiny.jsonl"].splitlines()}
    assert not tiny & set(texts)


def test_facts_are_in_the_story() -> None:
    for line in CONTENTS["story-to-facts.jsonl"].splitlines()[:50]:
        row = json.loads(line)
        found = json.loads(row["completion"])
        assert list(found) == ["who", "where", "what"]
        assert found["who"] in row["prompt"]
        assert judge(row["prompt"]).complete
