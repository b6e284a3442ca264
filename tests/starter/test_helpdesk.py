"""The sample helpdesk is whole, asks nothing that measures it, and names only what the program has."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import fields

import pytest

from tui_finetune.chat.sampling import Sampling
from tui_finetune.cli.main import build_parser
from tui_finetune.config.presets import PRESETS
from tui_finetune.config.schema import settings
from tui_finetune.starter.recipe import helpdesk, samples
from tui_finetune.tui.app import FinetuneApp
from tui_finetune.tui.dialogs.help import described
from tui_finetune.tui.screens.chat.screen import ChatScreen
from tui_finetune.tui.screens.model.screen import ModelScreen
from tui_finetune.tui.screens.runs.screen import RunsScreen
from tui_finetune.tui.screens.settings.screen import SettingsScreen
from tui_finetune.tui.screens.training.screen import TrainingScreen

SCREENS = (ModelScreen, SettingsScreen, TrainingScreen, ChatScreen, RunsScreen)
FACTS = helpdesk.load()
ANSWERS = [fact.answer for fact in FACTS]
SAID = [*ANSWERS, *(question for fact in FACTS for question in (*fact.questions, *fact.unseen))]
ROWS = [json.loads(line)["messages"] for line in samples.contents()["helpdesk.jsonl"].splitlines()]


def plain(question: str) -> str:
    return " ".join(re.findall(r"\w+", question.lower()))


def test_each_row_is_a_conversation_of_questions_and_their_answers() -> None:
    answers = {plain(question): answer for question, answer in helpdesk.seen()}
    for messages in ROWS:
        assert [message["role"] for message in messages] == ["user", "assistant"] * (len(messages) // 2)
        assert 1 <= len(messages) // 2 <= 3
        for asked, told in zip(messages[::2], messages[1::2], strict=True):
            assert told["content"] == answers[plain(asked["content"])]


def test_each_question_stands_alone_as_it_is_written_and_as_it_is_typed_in_a_hurry() -> None:
    alone = {messages[0]["content"] for messages in ROWS if len(messages) == 2}
    assert all({question, helpdesk.hasty(question)} <= alone for question, _ in helpdesk.seen())


def test_no_two_facts_share_a_question_or_an_answer() -> None:
    asked = Counter(plain(question) for fact in FACTS for question in {plain(q) for q in fact.questions + fact.unseen})
    assert [question for question, count in asked.items() if count > 1] == []
    assert len(set(ANSWERS)) == len(FACTS)


def test_a_fact_has_four_questions_in_the_sample_and_two_that_measure() -> None:
    assert {(len(set(fact.questions)), len(set(fact.unseen))) for fact in FACTS} == {(4, 2)}


def test_no_question_that_measures_is_in_the_sample() -> None:
    asked = {plain(message["content"]) for messages in ROWS for message in messages if message["role"] == "user"}
    assert [question for question, _ in helpdesk.unseen() if plain(question) in asked] == []


def test_answers_are_short_and_plain() -> None:
    assert all(text.isascii() and text == " ".join(text.split()) for text in SAID)
    assert all(6 <= len(answer.split()) <= 30 for answer in ANSWERS)


def test_no_row_comes_twice() -> None:
    assert len({json.dumps(messages) for messages in ROWS}) == len(ROWS)


def test_another_seed_gives_other_rows() -> None:
    assert list(helpdesk.rows(1)) != list(helpdesk.rows(2))


def test_the_judge_wants_the_answer_word_for_word_and_forgives_white_space() -> None:
    question, answer = helpdesk.unseen()[0]
    assert helpdesk.right_answer("  " + answer.replace(" ", "  ") + "\n", question)
    assert not helpdesk.right_answer(answer + " Really.", question)
    assert not helpdesk.right_answer(helpdesk.unseen()[-1][1], question)


# What is said of the program


def test_the_commands_that_are_named_exist() -> None:
    (commands,) = (action.choices for action in build_parser()._actions if action.dest == "command")
    assert commands is not None
    quoted = {re.sub(r"^finetune-tui ?", "", code) for text in SAID for code in re.findall("`([^`]+)`", text)}
    asked = set(re.findall(r"does finetune-tui (\w+) do\?", " ".join(SAID)))
    assert len(quoted) > 5
    assert quoted | asked <= {"", *commands}


def test_the_settings_that_are_named_exist() -> None:
    known = {name for key, item in settings().items() for name in (key, *item.aliases)}
    known |= {field.name for field in fields(Sampling)}
    named = {name for text in SAID for name in re.findall(r"\b[a-z]+(?:_[a-z]+)+\b", text)}
    assert len(named) > 20
    assert named - known == set()


def test_the_keys_that_are_named_are_those_of_their_screens() -> None:
    keys = {screen.mode: {k for b in described(screen.BINDINGS) for k in b.key.split(",")} for screen in SCREENS}
    pressed = [found for text in ANSWERS for found in re.findall(r"press (\w) on the (\w+) screen", text)]
    pressed += [found for text in ANSWERS for found in re.findall(r"^(\S+) on the (\w+) screen", text)]
    assert len(pressed) > 8
    assert [(key, screen) for key, screen in pressed if key.lower() not in keys[screen.lower()]] == []
    known = {key for binding in described(FinetuneApp.BINDINGS) for key in binding.key.split(",")}.union(*keys.values())
    named = {key.lower() for text in SAID for key in re.findall(r"\b(ctrl\+\w|F\d)\b", text)}
    assert named - known == set()


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("validation_split", 0.1, "a tenth by default"),
        ("train_on_eos", True, "leave train_on_eos on"),
        ("report_to", "none", "unless you turn on a tracker with report_to"),
        ("eval_strategy", "epoch", "at each epoch, every eval_steps, or not at all"),
    ],
)
def test_the_defaults_that_are_told_are_those_of_the_program(key: str, value: object, words: str) -> None:
    assert settings()[key].default == value
    assert any(words in answer for answer in ANSWERS)


def test_the_choices_that_are_told_are_those_of_the_program() -> None:
    (formats,) = (answer for answer in ANSWERS if answer.startswith("The formats are"))
    assert set(re.findall(r"[a-z-]+", formats)) >= set(settings()["dataset_format"].choices) - {"auto"}
    assert {"quick", "tutorial"} <= set(PRESETS)
    assert any("such as quick or tutorial" in answer for answer in ANSWERS)


@pytest.mark.parametrize("name", [name.removesuffix(".jsonl") for name in samples.contents()])
def test_it_knows_each_sample(name: str) -> None:
    assert any(re.search(rf"\b{name}\b", answer) for answer in ANSWERS)
