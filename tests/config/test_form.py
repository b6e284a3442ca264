"""The form: what each field shows, and how little is computed for one value that is typed."""

from __future__ import annotations

from typing import Any

import pytest

from tui_finetune.config.form import fill_form, grouped_settings, matches
from tui_finetune.config.resolve import check_value, resolve
from tui_finetune.config.schema import GROUPS, RunConfig, settings
from tui_finetune.errors import UserError


@pytest.fixture
def validations(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What RunConfig was asked to check as a whole."""
    asked: list[object] = []
    original = RunConfig.model_validate

    def counted(values: object, **options: Any) -> RunConfig:
        asked.append(values)
        return original(values, **options)

    monkeypatch.setattr(RunConfig, "model_validate", counted)
    return asked


def test_one_value_costs_one_validation_of_the_whole(validations: list[object]) -> None:
    suits = {"learning_rate": 2e-3}
    for number, chosen in enumerate(({}, {"seed": "7"}, {"seed": "seven"}, {"seed": "seven", "lr": "x"}), 1):
        form = fill_form(chosen, "default", lambda name: suits)
        assert not form.is_inherited("seed", "8")
        assert form.is_inherited("seed", "42")
        assert len(validations) == number


def test_the_models_settings_are_looked_up_once_for_the_model_that_is_chosen(validations: list[object]) -> None:
    asked: list[str] = []

    def suits(name: str) -> dict[str, object]:
        asked.append(name)
        return {"learning_rate": 0.002}

    assert resolve({"model": "here"}, {"model": "there"}, model_settings=suits).config.learning_rate == 0.002
    assert resolve(model_settings=suits).origin("learning_rate") == "model"
    assert fill_form({"model": "here"}, "default", suits).origin("learning_rate") == "model"
    assert asked == ["here", "starter", "here"]
    assert len(validations) == 3


def test_a_form_is_the_configuration_of_what_was_chosen() -> None:
    chosen = {"lr": "1e-4", "eval_strategy": "no", "packing": "false", "max_length": "auto", "save_steps": "20"}
    form = fill_form(chosen, "tutorial")
    resolved = resolve(chosen, preset_name="tutorial", flag_origin="form")
    assert form.resolved == resolved
    assert form.resolved.config.model_dump() == resolved.config.model_dump()
    assert form.origin("save_strategy") == "form"
    assert form.inherited_value("save_strategy") == "epoch"


def test_values_that_are_not_allowed_stay_and_hide_no_others() -> None:
    form = fill_form({"lr": "fast", "seed": "9", "save_steps": "0"}, "default", {"learning_rate": 0.002})
    assert form.problems.keys() == {"learning_rate", "save_steps"}
    assert (form.shown("learning_rate"), form.origin("learning_rate")) == ("fast", "form")
    assert (form.shown("seed"), form.origin("seed")) == ("9", "form")
    assert form.resolved.config.learning_rate == 0.002
    assert form.resolved.config.save_strategy == "epoch"
    with pytest.raises(UserError, match="no preset 'nice'"):
        fill_form({}, "nice")


@pytest.mark.parametrize("key", list(RunConfig.model_fields))
def test_a_value_alone_is_checked_as_in_the_whole(key: str) -> None:
    for value in (
        None,
        "",
        "auto",
        "7",
        "-1",
        "0",
        "true",
        "no",
        False,
        0.5,
        "0.5",
        "nan",
        float("inf"),
        "steps",
        [1],
        "x",
    ):
        try:
            whole: object = getattr(RunConfig.model_validate({key: value}), key)
        except ValueError:
            with pytest.raises(UserError, match=key):
                check_value(key, value)
        else:
            alone = check_value(key, value)
            assert (alone, type(alone)) == (whole, type(whole)), value


def test_fields_are_grouped_and_found_by_any_of_their_names() -> None:
    groups = grouped_settings()
    assert set(groups) == set(GROUPS)
    assert list(groups)[-1] == "Model and data"
    assert [item.key for item in settings().values() if matches(item, "BLOCK size")] == ["max_length"]
    assert [item.key for item in settings().values() if matches(item, "block_size")] == ["max_length"]


def test_the_learning_rate_of_the_form_follows_the_method_that_is_chosen() -> None:
    form = fill_form({"method": "lora"}, "default")
    assert (form.shown("learning_rate"), form.origin("learning_rate")) == ("0.0002", "method")
    assert form.inherited_value("learning_rate") == "0.0002"
    back = fill_form({"method": "full"}, "lora")
    assert (back.shown("learning_rate"), back.origin("learning_rate")) == ("2e-05", "default")
    assert fill_form({"method": "lora", "lr": "1e-3"}, "default").inherited_value("learning_rate") == "0.0002"
