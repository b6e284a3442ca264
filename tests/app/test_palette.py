"""The command palette: every action that has a key, presets, palettes, and the way to every setting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from textual.app import SystemCommand
from textual.command import CommandPalette
from textual.pilot import Pilot

from tui_finetune.config.presets import PRESETS
from tui_finetune.config.schema import settings
from tui_finetune.tui.app import FinetuneApp
from tui_finetune.tui.widgets.setting_field import SettingField
from tui_finetune.tui.widgets.tab_bar import TABS

MODES = [mode for mode, _, _ in TABS]


@pytest.fixture(autouse=True)
def no_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """The Chat screen loads nothing."""
    monkeypatch.setattr("tui_finetune.tui.screens.chat.talking.Talking._load", lambda self: None)


async def settle(pilot: Pilot[Any]) -> None:
    for _ in range(5):
        await pilot.pause()


def commands(app: FinetuneApp) -> dict[str, SystemCommand]:
    return {command.title: command for command in app.get_system_commands(app.screen)}


def app_of(pilot: Pilot[Any]) -> FinetuneApp:
    assert isinstance(pilot.app, FinetuneApp)
    return pilot.app


async def choose(pilot: Pilot[Any], title: str) -> None:
    """Do what a command of the palette does."""
    result = commands(app_of(pilot))[title].callback()
    if result is not None:
        await result
    await settle(pilot)


@pytest.mark.parametrize("mode", MODES)
async def test_every_described_key_of_a_screen_is_in_the_palette(mode: str) -> None:
    async with FinetuneApp(tab=mode).run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        app = app_of(pilot)
        found = commands(app)
        described = {
            active.binding.description
            for active in app.screen.active_bindings.values()
            if active.binding.id and active.binding.description
        }
        titles = {title.partition("  (")[0] for title in found}
        assert described - {"Commands", "Stop"} <= titles
        assert all(command.help for command in found.values())
        await pilot.press("ctrl+p")
        await settle(pilot)
        assert isinstance(app.screen, CommandPalette)


async def test_the_palette_goes_to_a_setting_by_any_of_its_names(shown: Callable[[Any], str]) -> None:
    async with FinetuneApp().run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("ctrl+p")
        await settle(pilot)
        await pilot.press(*"micro_batch")
        for _ in range(100):
            await pilot.pause(0.05)
            if "per_device_train_batch_size" in shown(pilot.app):
                break
        await pilot.press("down", "enter")
        await settle(pilot)
        assert pilot.app.current_mode == "settings"
        focused = pilot.app.focused
        assert isinstance(focused, SettingField)
        assert focused.item.key == "per_device_train_batch_size"


async def test_there_is_a_way_to_every_setting_from_settings_itself() -> None:
    async with FinetuneApp(tab="settings").run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        titles = [title for title in commands(app_of(pilot)) if title.startswith("Go to setting ")]
        assert [title.split()[3] for title in titles] == list(settings())
        for title in titles[::7]:
            await choose(pilot, title)
            assert isinstance(pilot.app.focused, SettingField)
            assert pilot.app.focused.item.key == title.split()[3]


async def test_presets_and_colors_are_chosen_there() -> None:
    async with FinetuneApp().run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        app = app_of(pilot)
        offered = {f"Use preset {name}" for name in PRESETS if name != "default"}
        assert offered <= commands(app).keys()
        assert "Use preset default" not in commands(app)
        await choose(pilot, "Use preset quick")
        assert app.state.draft.preset_name == "quick"
        assert app.state.draft.resolved is not None
        assert app.state.draft.resolved.config.max_steps == 100
        await choose(pilot, "Use light colors")
        assert not app.current_theme.dark
        await choose(pilot, "Use dark colors")
        assert app.current_theme.dark


async def test_the_many_settings_do_not_flood_the_list_before_anything_is_typed() -> None:
    async with FinetuneApp().run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert not any(c.discover for title, c in commands(app_of(pilot)).items() if title.startswith("Go to setting"))
