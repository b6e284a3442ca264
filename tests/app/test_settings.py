"""The Settings screen: what the lines show, how values get into them, and what is said of wrong ones."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from textual.pilot import Pilot
from textual.widgets import Input, Static

from tests.app.pictures import NARROW, SIZES, pictures
from tui_finetune.config import schema as config_module
from tui_finetune.config.fields import setting
from tui_finetune.config.resolve import resolve
from tui_finetune.config.schema import RunConfig, settings
from tui_finetune.errors import UserError
from tui_finetune.planning.estimate import Estimate
from tui_finetune.planning.plan import Plan
from tui_finetune.runs.events import CheckEvent
from tui_finetune.tui.app import FinetuneApp
from tui_finetune.tui.dialogs.confirm import Confirm
from tui_finetune.tui.screens.settings.choice_row import ChoiceRow
from tui_finetune.tui.widgets.fitted import Fitted
from tui_finetune.tui.widgets.setting_field import SettingField


@pytest.fixture(autouse=True)
def nothing_suits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The starter suggests nothing, so that no test changes when it does."""
    monkeypatch.setattr("tui_finetune.models.catalog.model_settings", lambda name: {})


async def settle(pilot: Pilot[Any]) -> None:
    """Let the screen come up, and what was done on it have its effect."""
    for _ in range(5):
        await pilot.pause()


async def focus(pilot: Pilot[Any], key: str) -> SettingField:
    """Put the focus on a setting's line."""
    field = line(pilot, key)
    field.focus()
    await settle(pilot)
    return field


def line(pilot: Pilot[Any], key: str) -> SettingField:
    return pilot.app.screen.query_one(f"#setting-{key}", SettingField)


def app_of(pilot: Pilot[Any]) -> FinetuneApp:
    assert isinstance(pilot.app, FinetuneApp)
    return pilot.app


def words(field: SettingField) -> str:
    return str(field.render())


def panel(pilot: Pilot[Any]) -> str:
    """What the panel says: the explanation without its table, and what the settings amount to."""
    explanation: Any = pilot.app.screen.query_one("#explanation", Static).content
    amounts = pilot.app.screen.query_one("#amounts", Fitted).render()
    return "\n".join(str(part) for part in (*explanation.renderables[:2], amounts))


async def change(pilot: Pilot[Any], key: str, text: str) -> None:
    """Type another value over the one that is there."""
    field = await focus(pilot, key)
    await pilot.press("enter")
    await settle(pilot)
    assert field.input is not None
    field.input.value = text
    await pilot.press("enter")
    await settle(pilot)


# Pictures


@pictures("settings", "default", NARROW, *SIZES)
def test_picture_at_first(snap_compare: Any, size: tuple[int, int]) -> None:
    assert snap_compare(FinetuneApp(tab="settings"), terminal_size=size, run_before=settle)


@pictures("settings", "wrong-value")
def test_picture_of_a_value_that_is_not_allowed(snap_compare: Any, size: tuple[int, int]) -> None:
    async def spoil(pilot: Pilot[Any]) -> None:
        await settle(pilot)
        await change(pilot, "learning_rate", "fast")

    assert snap_compare(FinetuneApp(tab="settings", preset="tutorial"), terminal_size=size, run_before=spoil)


@pictures("settings", "yaml")
def test_picture_of_the_yaml(snap_compare: Any, size: tuple[int, int]) -> None:
    async def look(pilot: Pilot[Any]) -> None:
        await settle(pilot)
        await pilot.press("v")
        await settle(pilot)

    assert snap_compare(FinetuneApp(tab="settings", preset="tutorial"), terminal_size=size, run_before=look)


# What is there


@pytest.mark.parametrize("preset", ["default", "lora", "dpo", "kto"])
async def test_every_setting_has_a_line_that_explains_itself(preset: str) -> None:
    async with FinetuneApp(tab="settings", preset=preset).run_test(size=(120, 36)) as pilot:
        await settle(pilot)
        chosen = resolve(preset_name=preset).config
        for key, item in settings().items():
            # Of other presets those lines that the default has not.
            if not item.concerns(chosen.method, chosen.task) or (preset != "default" and item.concerns("full", "sft")):
                continue
            line(pilot, key).focus()
            while not panel(pilot).startswith(f"{key}\n"):
                await pilot.pause()
            assert item.default_shown in words(line(pilot, key))
            assert item.help in panel(pilot)
            assert item.explanation in panel(pilot)


async def test_a_setting_added_to_the_declaration_appears_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    class Extended(RunConfig):
        sparkle: int = setting(
            7,
            ge=1,
            group="Hardware",
            help="How much it sparkles.",
            explanation="More is brighter.",
            aliases=("glitter",),
        )

    monkeypatch.setattr(config_module, "RunConfig", Extended)
    monkeypatch.setattr("tui_finetune.config.resolve.RunConfig", Extended)
    async with FinetuneApp(tab="settings").run_test(size=(120, 36)) as pilot:
        await settle(pilot)
        assert "7" in words(await focus(pilot, "sparkle"))
        assert "More is brighter." in panel(pilot)
        await change(pilot, "sparkle", "0")
        assert "a whole number, 1 or more" in words(line(pilot, "sparkle"))
        await change(pilot, "sparkle", "9")
        assert app_of(pilot).state.draft.resolved is not None
        assert app_of(pilot).state.draft.choices == {"sparkle": "9"}


@pytest.mark.parametrize("size", [(1, 1), (5, 3), (20, 5), (40, 12), (200, 60)])
async def test_it_comes_up_at_any_size(size: tuple[int, int]) -> None:
    async with FinetuneApp(tab="settings").run_test(size=size) as pilot:
        await settle(pilot)
        await change(pilot, "seed", "-1")
        assert line(pilot, "seed").problem is not None


async def test_what_suits_the_model_and_the_preset_is_named_as_origin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "tui_finetune.models.catalog.model_settings", lambda name: {"weight_decay": 0.5, "max_length": 64}
    )
    async with FinetuneApp(tab="settings", preset="tutorial").run_test(size=(120, 36)) as pilot:
        await settle(pilot)
        assert line(pilot, "max_length").origin == "preset tutorial"
        assert line(pilot, "save_total_limit").origin == "default"
        app_of(pilot).state.draft.choose_preset("default")
        await settle(pilot)
        assert (line(pilot, "weight_decay").value, line(pilot, "weight_decay").origin) == ("0.5", "model")


# Changing values


async def test_a_number_is_typed_and_reset() -> None:
    async with FinetuneApp(tab="settings").run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await change(pilot, "learning_rate", "1e-4")
        app = app_of(pilot)
        assert app.state.draft.resolved is not None
        assert app.state.draft.resolved.config.learning_rate == 1e-4
        assert line(pilot, "learning_rate").origin == "form"
        assert pilot.app.focused is line(pilot, "learning_rate")
        await pilot.press("r")
        await settle(pilot)
        assert app.state.draft.choices == {}
        assert line(pilot, "learning_rate").value == "auto"


async def test_emptying_an_input_goes_back_to_what_the_preset_gives() -> None:
    async with FinetuneApp(tab="settings", preset="tutorial").run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await change(pilot, "max_length", "128")
        await change(pilot, "max_length", "")
        assert app_of(pilot).state.draft.choices == {}
        assert line(pilot, "max_length").value == "512"


async def test_arrows_cycle_choices_and_coming_back_chooses_nothing() -> None:
    async with FinetuneApp(tab="settings").run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await focus(pilot, "padding")
        await pilot.press("right")
        await settle(pilot)
        assert app_of(pilot).state.draft.choices == {"padding": "max_length"}
        await pilot.press("left")
        await settle(pilot)
        assert app_of(pilot).state.draft.choices == {}
        await focus(pilot, "packing")
        await pilot.press("enter")
        await settle(pilot)
        assert app_of(pilot).state.draft.resolved is not None
        assert app_of(pilot).state.draft.resolved.config.packing is False  # type: ignore[union-attr]


async def test_escape_gives_up_what_was_typed() -> None:
    async with FinetuneApp(tab="settings").run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        field = await focus(pilot, "seed")
        await pilot.press("enter", "7")
        await pilot.press("escape")
        await settle(pilot)
        assert field.input is None
        assert app_of(pilot).state.draft.choices == {}
        assert field.value == "42"


async def test_arrows_leave_an_input_and_keep_what_was_typed() -> None:
    async with FinetuneApp(tab="settings").run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await focus(pilot, "weight_decay")
        await pilot.press("enter")
        await settle(pilot)
        await pilot.press(*"0.1", "down")
        await settle(pilot)
        assert app_of(pilot).state.draft.choices == {"weight_decay": "0.1"}
        assert pilot.app.focused is line(pilot, "max_grad_norm")


# Wrong values


async def test_a_wrong_value_stays_with_the_reason_until_it_is_mended() -> None:
    async with FinetuneApp(tab="settings").run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await change(pilot, "per_device_train_batch_size", "many")
        field = line(pilot, "per_device_train_batch_size")
        assert field.value == "many"
        assert "✗" in words(field)
        assert "a whole number from 1 to 65536" in " ".join(words(field).split())
        assert app_of(pilot).state.draft.resolved is None
        await change(pilot, "per_device_train_batch_size", "4")
        assert "✗" not in words(field)
        assert app_of(pilot).state.draft.resolved is not None


async def test_two_wrong_values_are_both_marked_and_the_others_still_shown() -> None:
    async with FinetuneApp(tab="settings", preset="tutorial").run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await change(pilot, "seed", "x")
        await change(pilot, "weight_decay", "7")
        await change(pilot, "logging_steps", "3")
        assert line(pilot, "seed").problem is not None
        assert line(pilot, "weight_decay").problem is not None
        assert (line(pilot, "logging_steps").value, line(pilot, "logging_steps").problem) == ("3", None)
        assert line(pilot, "max_length").value == "512"


async def test_a_value_is_checked_while_it_is_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui_finetune.tui.widgets.setting_field.TYPING_PAUSE", 0.01)
    async with FinetuneApp(tab="settings").run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        field = await focus(pilot, "learning_rate")
        await pilot.press("enter")
        await settle(pilot)
        await pilot.press("x")
        await pilot.pause(0.1)
        await settle(pilot)
        assert field.problem is not None
        assert field.input is not None
        assert field.input.value == "x"


async def test_what_the_plan_finds_wrong_is_said_at_its_setting() -> None:
    async with FinetuneApp(tab="settings").run_test(size=(120, 36)) as pilot:
        await settle(pilot)
        app = app_of(pilot)
        assert app.state.draft.resolved is not None
        problem = UserError("the model sees 512 tokens at most", "use max_length: 512", setting="max_length")
        app.state.draft.plan = Plan(app.state.draft.resolved.config, problem=problem, complete=True)
        app.state.draft.on_plan()
        assert "the model sees 512 tokens at most" in " ".join(words(line(pilot, "max_length")).split())


async def test_markup_in_a_value_is_inert(shown: Callable[[Any], str]) -> None:
    hostile = "[/red][@click=app.quit()]boom[/]"
    async with FinetuneApp(tab="settings", choices={"output_dir": hostile}).run_test(size=(120, 80)) as pilot:
        await settle(pilot)
        assert hostile in words(line(pilot, "output_dir"))
        await change(pilot, "logging_steps", hostile)
        await focus(pilot, "logging_steps")
        assert hostile in words(line(pilot, "logging_steps"))
        assert hostile in shown(pilot.app)


# Presets


async def test_a_preset_is_chosen_and_shown_everywhere() -> None:
    async with FinetuneApp(tab="settings").run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert pilot.app.focused is pilot.app.screen.query_one("#preset-default")
        await pilot.press("down", "enter")
        await settle(pilot)
        assert app_of(pilot).state.draft.preset_name == "tutorial"
        assert line(pilot, "padding").value == "max_length"
        assert pilot.app.screen.query_one("#preset-tutorial", ChoiceRow).current
        assert not pilot.app.screen.query_one("#preset-default", ChoiceRow).current


async def test_a_preset_asks_before_it_lets_go_of_what_was_chosen() -> None:
    async with FinetuneApp(tab="settings", choices={"lr": 1e-3, "dataset": "mine.txt"}).run_test(
        size=(80, 24)
    ) as pilot:
        await settle(pilot)
        pilot.app.screen.query_one("#preset-quick", ChoiceRow).focus()
        await pilot.press("enter")
        await settle(pilot)
        assert isinstance(pilot.app.screen, Confirm)
        assert "learning_rate" in pilot.app.screen.question.consequence
        await pilot.press("k")
        await settle(pilot)
        assert app_of(pilot).state.draft.preset_name == "default"
        await pilot.press("enter")
        await settle(pilot)
        await pilot.press("u")
        await settle(pilot)
        assert app_of(pilot).state.draft.preset_name == "quick"
        assert app_of(pilot).state.draft.choices == {"dataset_name": "mine.txt"}


# Search, amounts, YAML


async def test_a_setting_is_found_by_the_name_that_another_tool_has_for_it() -> None:
    async with FinetuneApp(tab="settings").run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("slash", *"cutoff_len")
        await settle(pilot)
        assert [f.item.key for f in pilot.app.screen.query(SettingField) if f.display] == ["max_length"]
        await pilot.press("enter")
        assert pilot.app.focused is line(pilot, "max_length")
        await pilot.press("escape")
        await settle(pilot)
        fields = pilot.app.screen.query(SettingField)
        assert all(field.display == field.item.concerns("full", "sft") for field in fields)
        assert pilot.app.focused is line(pilot, "max_length")


async def test_a_search_that_finds_nothing_says_so(shown: Callable[[Any], str]) -> None:
    async with FinetuneApp(tab="settings").run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("slash", *"zebra")
        await settle(pilot)
        assert "No setting matches" in shown(pilot.app)


async def test_the_panel_says_what_an_update_is_made_of() -> None:
    async with FinetuneApp(tab="settings").run_test(size=(120, 36)) as pilot:
        await settle(pilot)
        assert "8 rows × 2 = 16 rows per update" in panel(pilot)
        await change(pilot, "gradient_accumulation_steps", "4")
        assert "8 rows × 4 = 32 rows per update" in panel(pilot)


async def test_saved_yaml_is_the_configuration_and_replaces_nothing_silently(home: Path) -> None:
    async with FinetuneApp(tab="settings", choices={"num_train_epochs": 5}).run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("ctrl+s")
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        saved = (home / "config.yaml").read_text()
        assert RunConfig(**yaml.safe_load(saved)) == RunConfig(num_train_epochs=5)
        (home / "config.yaml").write_text("mine")
        await pilot.press("ctrl+s")
        await settle(pilot)
        await pilot.press("enter")
        await settle(pilot)
        assert isinstance(pilot.app.screen, Confirm)
        await pilot.press("k")
        await settle(pilot)
        assert (home / "config.yaml").read_text() == "mine"


async def test_a_name_that_can_not_be_saved_to_is_refused_at_the_input(home: Path, shown: Callable[[Any], str]) -> None:
    async with FinetuneApp(tab="settings").run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("ctrl+s")
        await settle(pilot)
        pilot.app.screen.query_one(Input).value = "nowhere/config.yaml"
        await pilot.press("enter")
        await settle(pilot)
        assert "There is no folder nowhere." in shown(pilot.app)


async def test_digits_go_to_other_screens_from_a_line_and_into_an_input() -> None:
    async with FinetuneApp(tab="settings").run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        field = await focus(pilot, "seed")
        await pilot.press("enter")
        await settle(pilot)
        await pilot.press("4")
        assert field.input is not None
        assert field.input.value == "4"
        assert pilot.app.current_mode == "settings"
        await pilot.press("enter", "1")
        await settle(pilot)
        assert pilot.app.current_mode == "model"


# The method


async def test_settings_of_another_method_are_left_out_until_it_is_chosen() -> None:
    async with FinetuneApp(tab="settings").run_test(size=(120, 36)) as pilot:
        await settle(pilot)
        assert not line(pilot, "lora_r").display
        assert line(pilot, "unfrozen_layers").display
        await focus(pilot, "method")
        await pilot.press("right")
        await settle(pilot)
        assert line(pilot, "lora_r").display
        assert not line(pilot, "unfrozen_layers").display
        assert "0.0002" in words(line(pilot, "learning_rate"))
        await pilot.press("slash", *"unfrozen")
        await settle(pilot)
        assert line(pilot, "unfrozen_layers").display
        assert "not used" in words(line(pilot, "unfrozen_layers"))


# The check before training, and the memory


def planned(config: RunConfig, needed: int = 2_000_000_000, usable: int = 8_000_000_000) -> Plan:
    rest = needed - 1_500_000_000
    memory = {"weights": 500_000_000, "gradients": 0, "optimizer": 1_000_000_000, "activations": rest // 2, "logits": 0,
              "overhead": rest - rest // 2, "total": needed}  # fmt: skip
    estimate = Estimate(
        10**6, 10**6, memory, usable, usable, fits=needed <= usable, steps=60, seconds=300.0, disk=10**9
    )
    return Plan(config, steps=60, estimate=replace(estimate, training_seconds=250.0), complete=True)


@pictures("settings", "memory")
def test_picture_of_the_memory(snap_compare: Any, size: tuple[int, int]) -> None:
    async def plan(pilot: Pilot[Any]) -> None:
        await settle(pilot)
        draft = app_of(pilot).state.draft
        assert draft.resolved is not None
        draft.show_plan(planned(draft.resolved.config))
        await focus(pilot, "max_length")
        draft.show_plan(planned(draft.resolved.config, 2_600_000_000))
        await settle(pilot)

    assert snap_compare(FinetuneApp(tab="settings"), terminal_size=size, run_before=plan)


async def test_what_a_change_does_to_the_memory_is_told_at_its_line() -> None:
    async with FinetuneApp(tab="settings").run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        draft = app_of(pilot).state.draft
        assert draft.resolved is not None
        draft.show_plan(planned(draft.resolved.config))
        await focus(pilot, "max_length")
        assert "2.0 GB of 8.0 GB memory" in panel(pilot)
        draft.show_plan(planned(draft.resolved.config, 2_600_000_000))
        await settle(pilot)
        assert "2.6 GB (+600 MB) of 8.0 GB memory" in panel(pilot)
        await focus(pilot, "packing")
        draft.show_plan(planned(draft.resolved.config, 9_600_000_000))
        await settle(pilot)
        assert "✗ 9.6 GB (+7.0 GB) memory, 8.0 GB usable" in panel(pilot)


async def test_c_checks_and_corrects_the_plan() -> None:
    async with FinetuneApp(tab="settings").run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        draft = app_of(pilot).state.draft
        assert draft.resolved is not None
        draft.show_plan(planned(draft.resolved.config))
        go_on, outcomes = threading.Event(), [CheckEvent(needed=2_200_000_000, training_seconds=500.0)]
        asked: list[object] = []

        def rehearse(resolved: object, begun: Callable[[Callable[[], None]], None]) -> CheckEvent:
            asked.append(resolved)
            begun(go_on.set)
            go_on.wait(10)
            if not outcomes:
                raise UserError("the disk is full", "free some space", "output_dir")
            return outcomes.pop()

        draft._rehearse = rehearse
        await pilot.press("c")
        await settle(pilot)
        assert "trying one batch" in panel(pilot)
        await pilot.press("c")  # once is enough
        go_on.set()
        await pilot.app.workers.wait_for_complete()
        await settle(pilot)
        assert asked == [draft.resolved]
        assert "2.2 GB of 8.0 GB memory, measured" in panel(pilot)
        assert "60 steps, about 10 min" in panel(pilot)

        await pilot.press("c")
        await pilot.app.workers.wait_for_complete()
        await settle(pilot)
        assert draft.hindrance is not None  # it can't be started as it is
        assert draft.hindrance.message == "the disk is full"


async def test_a_check_ends_where_something_else_is_chosen() -> None:
    async with FinetuneApp(tab="settings").run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        draft = app_of(pilot).state.draft
        ended, begun_in = threading.Event(), threading.Event()

        def rehearse(resolved: object, begun: Callable[[Callable[[], None]], None]) -> CheckEvent:
            begun(ended.set)
            begun_in.set()
            assert ended.wait(10)
            raise UserError("the check was ended before it was done")

        draft._rehearse = rehearse
        await pilot.press("c")
        while not begun_in.is_set():
            await pilot.pause(0.01)
        draft.choose(max_length=128)
        await pilot.app.workers.wait_for_complete()
        await settle(pilot)
        assert ended.is_set()
        assert not draft.checking
        assert draft.hindrance is None
