"""A grid of settings: which runs come of it, and what is refused."""

from __future__ import annotations

import pytest

from tui_finetune.config.grid import MOST_RUNS, alternatives, grid
from tui_finetune.errors import UserError


def test_every_value_of_each_setting_goes_with_every_value_of_the_others() -> None:
    found = grid({"learning_rate": "1e-4,3e-4", "lora_r": "8, 16", "max_steps": "20"})
    assert found.fixed == {"max_steps": "20"}
    assert found.varied == (
        {"learning_rate": "1e-4", "lora_r": "8"},
        {"learning_rate": "1e-4", "lora_r": "16"},
        {"learning_rate": "3e-4", "lora_r": "8"},
        {"learning_rate": "3e-4", "lora_r": "16"},
    )


def test_values_that_have_commas_are_told_apart_by_semicolons() -> None:
    assert alternatives("lora_target_modules", "q_proj,v_proj") == ["q_proj,v_proj"]
    assert alternatives("lora_target_modules", "q_proj,v_proj; all-linear") == ["q_proj,v_proj", "all-linear"]
    assert alternatives("dataset_name", "a,b.jsonl; c.jsonl") == ["a,b.jsonl", "c.jsonl"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"lora_r": "8"}, "nothing to sweep"),
        ({}, "nothing to sweep"),
        ({"lora_r": "8,,16"}, "empty value"),
        ({"lora_r": "8,"}, "empty value"),
        ({"lora_r": "8,16,8"}, "8 is there twice"),
        ({"lora_r": ",".join(map(str, range(MOST_RUNS + 1)))}, "more than"),
    ],
)
def test_what_is_no_grid_is_refused(given: dict[str, str], words: str) -> None:
    with pytest.raises(UserError, match=words):
        grid(given)
