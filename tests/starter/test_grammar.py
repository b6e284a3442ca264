"""The text source: deterministic, unambiguous, and honest about its probabilities."""

import math
import random
from collections import Counter

import pytest

from tui_finetune.starter.recipe import dialogues
from tui_finetune.starter.recipe.corpus import documents, entropy_per_token
from tui_finetune.starter.recipe.grammar import Plot, World, compile_template, draw, rules, table
from tui_finetune.starter.recipe.matching import derivations
from tui_finetune.starter.recipe.worlds.everyday import EVERYDAY
from tui_finetune.starter.recipe.worlds.sea import SEA

WORLDS = {"everyday": EVERYDAY, "sea": SEA}

TOY = World(
    name="toy",
    tables={
        "people": table("name he", "Ann / she\nBob / he\nCid / he"),
        "places": table("name spots", "the park / a bench; a tree\nthe hill / a rock; a hut"),
    },
    variables={"who": "people", "friend": "people", "place": "places", "spot": "place.spots"},
    rules=rules(
        """
        meet:
        {who} met {friend}(3:| twice).
        {who} was in {place}. {who.He} saw {spot}.
        """
    ),
    plots={"meet": Plot("<meet>", {"who": "{who}"})},
)


def test_probability_of_a_text_is_the_product_of_its_choices() -> None:
    expected = {"Ann met Bob.": 1 / 2 * 1 / 3 * 1 / 2 * 3 / 4, "Ann was in the hill. She saw a hut.": 1 / 2 * 1 / 3 / 4}
    for text, probability in expected.items():
        (derivation,) = derivations(TOY, "<meet>", text)
        assert math.exp(derivation.log_probability) == pytest.approx(probability)


def test_texts_come_as_often_as_their_probability_says() -> None:
    rng = random.Random(5)
    drawn = [draw(TOY, "<meet>", rng) for _ in range(20_000)]
    counts = Counter(one.text for one in drawn)
    probabilities = {one.text: math.exp(one.log_probability) for one in drawn}
    assert sum(probabilities.values()) == pytest.approx(1)
    for text, probability in probabilities.items():
        assert counts[text] / len(drawn) == pytest.approx(probability, abs=0.01)


def test_two_variables_of_one_table_never_share_an_entry() -> None:
    assert not list(derivations(TOY, "<meet>", "Ann met Ann."))


def test_a_bound_variable_keeps_its_entry() -> None:
    assert not list(derivations(TOY, "<meet>", "Bob was in the park. She saw a tree."))
    assert not list(derivations(TOY, "<meet>", "Bob was in the park. He saw a rock."))


@pytest.mark.parametrize("broken", ["(a|b", "a)", "(a(b|c)"])
def test_unmatched_brackets_are_refused(broken: str) -> None:
    with pytest.raises(ValueError, match="bracket"):
        compile_template(broken)


@pytest.mark.parametrize("world", WORLDS.values(), ids=list(WORLDS))
def test_every_story_parses_in_exactly_one_way_with_its_probability(world: World) -> None:
    rng = random.Random(11)
    for plot in world.plots.values():
        for _ in range(25):
            story = draw(world, plot.story, rng)
            (derivation,) = derivations(world, plot.story, story.text)
            assert derivation.bindings == story.bindings
            assert derivation.log_probability == pytest.approx(story.log_probability)


def test_a_story_belongs_to_one_plot_only() -> None:
    for world in WORLDS.values():
        rng = random.Random(12)
        for name, plot in world.plots.items():
            text = draw(world, plot.story, rng).text
            assert [other for other in world.plots if any(derivations(world, world.plots[other].story, text))] == [name]


@pytest.mark.parametrize("world", WORLDS.values(), ids=list(WORLDS))
def test_all_rules_and_entries_can_be_drawn(world: World) -> None:
    for name in world.rules:
        assert any(f"<{name}>" in text for text in _all_templates(world)), f"no use of the rule {name}"
    for name in world.variables:
        assert any("{" + name in text.lower() for text in _all_templates(world)), f"no use of the variable {name}"


def _all_templates(world: World) -> list[str]:
    cells = [cell for rows in world.tables.values() for row in rows for cell in row.values()]
    stories = [plot.story for plot in world.plots.values()]
    asked = ["<note>", *(f"<subject_{name}>" for name in world.plots)]
    return [text for alternatives in world.rules.values() for text in alternatives] + cells + stories + asked


def test_every_note_parses_in_exactly_one_way_with_its_probability() -> None:
    rng = random.Random(16)
    for _ in range(300):
        note = dialogues.note(EVERYDAY, rng)
        (derivation,) = derivations(EVERYDAY, "<note>", note.text)
        assert derivation.log_probability == pytest.approx(note.log_probability)


def test_answers_and_facts_follow_from_the_story() -> None:
    rng = random.Random(13)
    for plot in EVERYDAY.plots.values():
        for _ in range(20):
            story = draw(EVERYDAY, plot.story, rng)
            asked = [part for question in plot.questions for part in question]
            for text in [*asked, *plot.facts.values()]:
                said = draw(EVERYDAY, text, rng, story.bindings)
                assert said.log_probability == 0, f"{text!r} is not settled by {story.text!r}"


def test_the_same_seed_gives_the_same_documents() -> None:
    first, again, other = ([d.text for _, d in documents(EVERYDAY, 50, seed)] for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_drawing_leaves_the_global_random_state_alone() -> None:
    before = random.getstate()
    list(documents(EVERYDAY, 20, 1))
    assert random.getstate() == before


def test_entropy_is_nats_over_tokens() -> None:
    rng = random.Random(14)
    found = [dialogues.story(TOY, rng) for _ in range(4000)]
    per_document = entropy_per_token(found, lambda text: 1)
    # By hand: the rule's choice, the person, then half the time the friend and the word, else the place and the spot.
    friend = math.log(2) - (0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    assert per_document == pytest.approx(math.log(2) + math.log(3) + 0.5 * friend + 0.5 * math.log(4), rel=0.01)
    assert entropy_per_token(found, lambda text: 10) == pytest.approx(per_document / 10)


def test_documents_count_every_choice() -> None:
    """No document is likelier than the story in it, and two draws of one text claim one probability."""
    found: dict[str, float] = {}
    for _, document in documents(EVERYDAY, 3000, 15):
        assert document.log_probability <= document.story.log_probability
        assert found.setdefault(document.text, document.log_probability) == document.log_probability
