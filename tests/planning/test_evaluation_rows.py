"""Evaluation rows as prompts with the answers that are expected."""

from __future__ import annotations

import pytest

from tui_finetune.chat.prompt_set import Asked
from tui_finetune.data.readers.row import Row
from tui_finetune.planning.evaluation_rows import FIRST_WORDS, NEXT_WORDS, asked_of

TURNS = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Tide?"},
    {"role": "assistant", "content": "Out."},
    {"role": "user", "content": "And now?"},
    {"role": "assistant", "content": "In."},
]


def test_of_a_conversation_the_last_answer_is_expected_and_what_came_before_is_said() -> None:
    asked = Asked("And now?", tuple(TURNS[:3]), "In.")
    assert asked_of({"messages": TURNS}) == asked
    assert asked_of({"messages": [*TURNS, {"role": "user", "content": "Thanks."}]}) == asked


def test_of_a_text_the_first_words_are_given_and_the_next_expected() -> None:
    words = [f"word{number}" for number in range(100)]
    asked = asked_of({"text": " ".join(words)})
    assert asked is not None
    assert asked.words.split() == words[:FIRST_WORDS]
    assert asked.expected.split() == words[FIRST_WORDS : FIRST_WORDS + NEXT_WORDS]
    assert (asked.words + asked.expected) == " ".join(words[: FIRST_WORDS + NEXT_WORDS])


def test_of_a_pair_the_completion_is_expected() -> None:
    assert asked_of({"prompt": "Tide?", "completion": " Out."}) == Asked("Tide?", (), " Out.")


@pytest.mark.parametrize(
    "document",
    [
        {"text": "short"},
        {"text": None},
        {"prompt": "Tide?", "completion": ""},
        {"messages": TURNS[:2]},
        {"messages": [TURNS[2]]},
        {"messages": []},
    ],
)
def test_what_has_no_two_parts_is_no_prompt(document: Row) -> None:
    assert asked_of(document) is None
