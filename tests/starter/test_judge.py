"""The judge: accepts what the grammar yields, in the right world, and nothing that is broken."""

import json
import random

import pytest

from tui_finetune.starter.recipe import dialogues
from tui_finetune.starter.recipe.grammar import World, draw
from tui_finetune.starter.recipe.judge import judge, judge_facts, split_sentences
from tui_finetune.starter.recipe.samples import facts
from tui_finetune.starter.recipe.worlds.everyday import EVERYDAY
from tui_finetune.starter.recipe.worlds.sea import SEA


@pytest.mark.parametrize("world", [EVERYDAY, SEA], ids=["everyday", "sea"])
def test_stories_of_the_grammar_are_accepted_in_their_world(world: World) -> None:
    rng = random.Random(21)
    for _ in range(25):
        story = dialogues.story(world, rng)
        verdict = judge(story.text)
        assert [sentence.worlds for sentence in verdict.sentences] == [{world.name}] * len(verdict.sentences)
        assert verdict.world == world.name
        assert verdict.plot == story.plot
        assert verdict.consistent
        assert verdict.complete


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Colorless green ideas sleep furiously.",
        "Anna was a cheerful girl who lived at the end of the.",
        "Anna was a cheerful boy who lived near the old mill.",
        "Zorblax was a cheerful girl who lived near the old mill.",
        "Anna was cheerful a girl who lived near the old mill.",
        "Anna was a cheerful girl who lived near the old mill",
    ],
)
def test_broken_sentences_are_not_accepted(text: str) -> None:
    verdict = judge(text)
    assert verdict.accepted == 0
    assert verdict.world is None
    assert not verdict.consistent


def test_a_sentence_cut_short_costs_only_itself() -> None:
    story = dialogues.story(EVERYDAY, random.Random(22)).text
    verdict = judge(story[:-20])
    assert verdict.accepted == len(verdict.sentences) - 1
    assert not verdict.consistent


def test_another_name_at_the_end_is_not_consistent() -> None:
    rng = random.Random(23)
    tried = 0
    for _ in range(30):
        story = dialogues.story(EVERYDAY, rng)
        who, child = draw(EVERYDAY, "{who}/{who.child}", rng, story.story.bindings).text.split("/")
        other = "Anna" if child == "girl" else "Adam"
        last = story.text.rfind(who)
        if story.text.count(who) < 2 or other in story.text:
            continue
        changed = story.text[:last] + other + story.text[last + len(who) :]
        assert judge(changed).accepted == len(judge(changed).sentences), changed
        assert not judge(changed).consistent, changed
        tried += 1
    assert tried > 10


def test_another_place_or_another_plot_is_not_consistent() -> None:
    rng = random.Random(24)
    learn = draw(EVERYDAY, EVERYDAY.plots["learn"].story, rng)
    night = draw(EVERYDAY, EVERYDAY.plots["night"].story, rng)
    assert not judge(" ".join(split_sentences(learn.text)[:4] + split_sentences(night.text)[-2:])).consistent
    lost = draw(EVERYDAY, EVERYDAY.plots["lost"].story, rng)
    place = draw(EVERYDAY, "{place.in}", rng, lost.bindings).text
    moved = lost.text.replace(place, "in the park" if place != "in the park" else "on the hill", 1)
    assert moved != lost.text
    assert not judge(moved).consistent


def test_order_does_not_matter_to_consistency_but_to_completeness() -> None:
    story = draw(EVERYDAY, EVERYDAY.plots["grow"].story, random.Random(25))
    sentences = split_sentences(story.text)
    swapped = judge(" ".join([*sentences[:-2], sentences[-1], sentences[-2]]))
    assert swapped.consistent
    assert not swapped.complete


def test_sentences_are_split_at_their_ends_only() -> None:
    text = 'Tom asked, "What are you looking for?" "For my torch," said Ida. "Wait!" she said. It rained.'
    assert split_sentences(text) == [
        'Tom asked, "What are you looking for?"',
        '"For my torch," said Ida.',
        '"Wait!" she said.',
        "It rained.",
    ]
    assert split_sentences("  ") == []


def test_facts_must_parse_and_be_right() -> None:
    story = dialogues.story(EVERYDAY, random.Random(26))
    expected = facts(EVERYDAY, story)
    assert judge_facts(json.dumps(expected), expected) == (True, True)
    assert judge_facts(json.dumps({**expected, "who": "Nobody"}), expected) == (True, False)
    assert judge_facts(json.dumps(expected)[:-1], expected) == (False, False)
    assert judge_facts("[1, 2]", expected) == (False, False)
    assert judge_facts(story.text, expected) == (False, False)


def test_the_worlds_share_no_sentence() -> None:
    rng = random.Random(27)
    for world, other in ((EVERYDAY, "sea"), (SEA, "everyday")):
        for _ in range(20):
            for sentence in judge(dialogues.story(world, rng).text).sentences:
                assert other not in sentence.worlds
