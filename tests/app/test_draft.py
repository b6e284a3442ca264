"""The draft of a run, without an app: what is chosen, what it amounts to, and what is worked out about it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.app.stand_ins import FakeHost
from tui_finetune.config.resolve import Resolved
from tui_finetune.config.schema import RunConfig
from tui_finetune.errors import UserError
from tui_finetune.planning.plan import Plan
from tui_finetune.tui.draft import Draft

pytestmark = pytest.mark.usefixtures("real_plan")


def no_plan(resolved: Resolved, on_part: Callable[[Plan], None]) -> None:
    """Finds nothing out."""


@pytest.fixture(autouse=True)
def suits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model called 'small' that a higher learning rate suits."""
    monkeypatch.setattr(
        "tui_finetune.models.catalog.model_settings", lambda name: {"learning_rate": 1e-3} if name == "small" else {}
    )


@pytest.fixture
def draft() -> Draft:
    return Draft(FakeHost(), examine=no_plan)


@pytest.fixture
def validations(monkeypatch: pytest.MonkeyPatch) -> list[Mapping[str, object]]:
    """What was validated as a whole configuration, in order."""
    seen: list[Mapping[str, object]] = []
    real = RunConfig.model_validate

    def counting(values: Mapping[str, object]) -> RunConfig:
        seen.append(values)
        return real(values)

    monkeypatch.setattr(RunConfig, "model_validate", counting)
    return seen


def test_making_one_imports_neither_settings_nor_widgets() -> None:
    code = """
import sys
from tests.app.stand_ins import FakeHost
from tui_finetune.tui.draft import Draft
draft = Draft(FakeHost())
assert (draft.model, draft.dataset) == ("starter", "sea-tales")
print(*sys.modules)
"""
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert not {"pydantic", "yaml", "textual", "torch"} & set(done.stdout.split())


def test_what_is_chosen_is_resolved_with_what_suits_the_model(draft: Draft) -> None:
    draft.choose(model_name_or_path="small", seed="7")
    assert draft.resolved is not None
    assert (draft.resolved.config.seed, draft.resolved.origin("seed")) == (7, "form")
    assert (draft.resolved.config.learning_rate, draft.resolved.origin("learning_rate")) == (1e-3, "model")
    draft.unchoose("seed")
    assert draft.choices == {"model_name_or_path": "small"}


@pytest.mark.parametrize("change", [{"seed": "7"}, {"seed": "x"}, {"model_name_or_path": "small"}])
def test_one_change_costs_one_validation_whoever_looks(
    draft: Draft, validations: list[Mapping[str, object]], change: dict[str, object]
) -> None:
    looked: list[object] = []
    draft.on_change = lambda: looked.append((draft.form, draft.resolved, draft.problem))
    draft.on_plan = lambda: looked.append((draft.form, draft.resolved, draft.hindrance))
    draft.choose(logging_steps="5")
    validations.clear()
    draft.choose(**change)
    assert len(looked) == 4
    assert len(validations) == 1


def test_a_wrong_value_stays_and_the_others_are_still_known(draft: Draft) -> None:
    draft.choose(seed="x", weight_decay="0.2")
    assert draft.resolved is None
    assert draft.problem is not None
    assert draft.problem.setting == "seed"
    assert draft.form is not None
    assert (draft.form.shown("seed"), draft.form.shown("weight_decay")) == ("x", "0.2")
    draft.choose(seed="3")
    assert draft.problem is None


def test_a_preset_drops_what_was_chosen_but_for_model_and_data(draft: Draft) -> None:
    draft.choose(dataset_name="mine.txt", seed="7")
    draft.choose_preset("quick")
    assert draft.choices == {"dataset_name": "mine.txt"}
    assert draft.resolved is not None
    assert draft.resolved.config.max_steps == 100


def test_choices_to_begin_with_go_by_any_of_their_names() -> None:
    assert Draft(FakeHost(), {"lr": 1e-4}, examine=no_plan).choices == {"learning_rate": 1e-4}


def test_the_plan_grows_and_one_for_something_else_is_passed_over() -> None:
    told: list[Callable[[Plan], None]] = []
    configs: list[RunConfig] = []

    def examine(resolved: Resolved, on_part: Callable[[Plan], None]) -> None:
        configs.append(resolved.config)
        told.append(on_part)

    draft = Draft(FakeHost(), examine=examine)
    draft.choose(seed="1")
    draft.choose(seed="2")
    assert draft.plan_pending
    told[0](Plan(configs[0], steps=5))
    assert draft.plan is None
    told[1](Plan(configs[1], steps=9))
    assert draft.plan is not None
    assert (draft.plan.steps, draft.plan_pending) == (9, True)
    problem = UserError("too large", "take a smaller one", setting="model_name_or_path")
    told[1](Plan(configs[1], steps=9, problem=problem, complete=True))
    assert not draft.plan_pending
    assert draft.hindrance is problem


def test_settling_it_tells_everybody() -> None:
    draft = Draft(FakeHost(), examine=no_plan)
    told: list[bool] = []
    draft.on_change = lambda: told.append(draft.is_settled)
    assert not draft.is_settled
    draft.settle()
    assert told == [True]


def test_a_plan_that_nobody_wants_is_not_worked_out() -> None:
    asked: list[str] = []
    draft = Draft(FakeHost(), examine=lambda resolved, on_part: asked.append(resolved.config.model_name_or_path))
    draft.plan_waits = True
    draft.settle()
    assert (asked, draft.plan_pending) == ([], False)
    draft.want_plan()
    assert asked == ["starter"]
    draft.want_plan()
    assert asked == ["starter"]
    draft = Draft(FakeHost(), examine=lambda resolved, on_part: asked.append(resolved.config.model_name_or_path))
    draft.plan_waits = True
    draft.settle()
    draft.choose(model_name_or_path="small")
    assert asked == ["starter", "small"], "what is chosen is wanted"
