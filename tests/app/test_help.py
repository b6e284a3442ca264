"""The help on each screen: its purpose, its keys made from the bindings, and the words of the field."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from textual.binding import Binding
from textual.pilot import Pilot

from tests.app.pictures import NARROW, SIZES, pictures
from tui_finetune.tui.app import FinetuneApp
from tui_finetune.tui.dialogs.glossary import GLOSSARY
from tui_finetune.tui.dialogs.help import HelpScreen, keys_of, written_keys
from tui_finetune.tui.screens.base import TabScreen
from tui_finetune.tui.screens.chat.prompt_input import PromptInput
from tui_finetune.tui.widgets.tab_bar import TABS

MODES = [mode for mode, _, _ in TABS]


@pytest.fixture(autouse=True)
def no_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """The Chat screen loads nothing."""
    monkeypatch.setattr("tui_finetune.tui.screens.chat.talking.Talking._load", lambda self: None)


async def settle(pilot: Pilot[Any]) -> None:
    for _ in range(5):
        await pilot.pause()


@pictures("help", "settings", NARROW, *SIZES)
def test_picture_of_the_help_on_settings(snap_compare: Any, size: tuple[int, int]) -> None:
    async def ask(pilot: Pilot[Any]) -> None:
        await settle(pilot)
        await pilot.press("question_mark")
        await settle(pilot)

    assert snap_compare(FinetuneApp(tab="settings"), terminal_size=size, run_before=ask)


@pytest.mark.parametrize("mode", MODES)
async def test_every_screen_says_what_it_is_for_and_names_its_keys(mode: str, shown: Callable[[Any], str]) -> None:
    async with FinetuneApp(tab=mode).run_test(size=(84, 220)) as pilot:
        await settle(pilot)
        screen = pilot.app.screen
        assert isinstance(screen, TabScreen)
        assert len(screen.help_text) > 100
        await pilot.press("f1")
        await settle(pilot)
        assert isinstance(pilot.app.screen, HelpScreen)
        text = " ".join(shown(pilot.app).split())
        here, everywhere = keys_of(screen)
        for binding in here:
            assert " ".join((binding.tooltip or binding.description).split()) in text
        assert "Start training with what is chosen" in text
        assert {"run.start", "help", "quit"} <= {binding.id for binding in everywhere}
        assert "1 to 6" in text
        for term in GLOSSARY:
            assert term in text
        await pilot.press("escape")
        await settle(pilot)
        assert pilot.app.screen_stack[-1] is screen


async def test_bindings_of_a_screen_have_words_for_a_person() -> None:
    async with FinetuneApp().run_test(size=(80, 24)) as pilot:
        for mode in MODES:
            await pilot.app.switch_mode(mode)
            await settle(pilot)
            screen = pilot.app.screen
            assert isinstance(screen, TabScreen)
            here, everywhere = keys_of(screen)
            for binding in (*here, *everywhere):
                assert binding.tooltip, f"{mode}: {binding.id} says nothing on what it does"


async def test_a_question_mark_is_typed_where_there_is_an_input_and_f1_helps_there_too() -> None:
    async with FinetuneApp(tab="chat").run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("question_mark")
        assert pilot.app.screen.query_one("#prompt", PromptInput).value == "?"
        await pilot.press("f1")
        await settle(pilot)
        assert isinstance(pilot.app.screen, HelpScreen)
        await pilot.press("f1")
        await settle(pilot)
        assert not isinstance(pilot.app.screen, HelpScreen)


@pytest.mark.parametrize("size", [(1, 1), (5, 3), (20, 5)])
async def test_it_comes_up_at_any_size(size: tuple[int, int]) -> None:
    async with FinetuneApp().run_test(size=size) as pilot:
        await settle(pilot)
        await pilot.press("f1")
        await settle(pilot)
        assert isinstance(pilot.app.screen, HelpScreen)


def test_keys_are_written_as_they_are_called() -> None:
    assert written_keys(Binding("f1,question_mark", "help", "Help", key_display="?")) == "F1 ?"
    assert written_keys(Binding("ctrl+s", "save", "Save")) == "ctrl+s"
    assert written_keys(Binding("left_square_bracket", "x", "X")) == "["
