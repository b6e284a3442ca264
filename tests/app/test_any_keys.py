"""Whatever is typed, and however fast: nothing of it ends the app."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest
from textual import events
from textual.widgets import OptionList

from tests.app.fake_run import half_way
from tests.app.stand_ins import FakeLaunch
from tui_finetune.tui.app import FinetuneApp
from tui_finetune.tui.dialogs.pick import Pick

# fmt: off
KEYS = [
    "1", "2", "3", "4", "5", "6", "ctrl+r", "ctrl+c", "ctrl+p", "f1", "question_mark", "slash", "escape", "enter",
    "up", "down", "left", "right", "pageup", "pagedown", "home", "end", "tab", "shift+tab", "space", "backspace",
    "delete", "d", "x", "k", "r", "c", "v", "t", "n", "b", "p", "u", "f", "ctrl+f", "ctrl+s", "s", "e", "g", "y",
    "l", "0", "plus", "minus", "left_square_bracket", "right_square_bracket", "f2", "f3", "f4", "ctrl+n", "ctrl+y",
    "a", "w", "q",
]
# fmt: on
"""All keys that are bound somewhere, but for ctrl+q and ctrl+d."""

CHARACTERS = {
    "slash": "/", "question_mark": "?", "space": " ", "plus": "+", "minus": "-", "left_square_bracket": "[",
    "right_square_bracket": "]",
}  # fmt: skip
PRESSES = 250


def type_at_once(app: FinetuneApp, keys: list[str]) -> None:
    """Send keys as a terminal does that hands over several in one piece."""
    for key in keys:
        app.post_message(events.Key(key, CHARACTERS.get(key, key if len(key) == 1 else None)))


@pytest.mark.parametrize("seed", range(4))
async def test_c1_random_keys_in_bursts_end_nothing(seed: int, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui_finetune.tui.screens.chat.talking.Talking._load", lambda self: None)
    for number in range(3):
        half_way(home / "runs" / f"tales-{number}", seed=number).finish("stopped")
    chance = random.Random(seed)
    app = FinetuneApp(start=lambda run, resolved, changes: FakeLaunch(run))
    monkeypatch.setattr(app, "leave", lambda status: None)  # the palette and a third press of ctrl+c offer that too
    async with app.run_test(size=(80, 24)) as pilot:
        pressed = 0
        while pressed < PRESSES and app.is_running:
            keys = chance.choices(KEYS, k=chance.choice([1, 1, 2, 3, 5, 8]))
            type_at_once(app, keys)
            pressed += len(keys)
            await asyncio.sleep(chance.choice([0, 0, 0.001, 0.01, 0.05]))
        await pilot.pause()
        assert app.is_running
        assert not app.crash


async def test_c1_page_keys_on_a_list_without_room_do_nothing() -> None:
    app = FinetuneApp()
    async with app.run_test(size=(1, 1)) as pilot:
        await pilot.pause()
        await pilot.press("pagedown", "pageup")
        app.push_screen(Pick("Which one?", [("a", ""), ("b", "")]))
        await pilot.pause()
        await pilot.press("pagedown", "pageup", "enter")
        assert not app.screen.query(OptionList) or app.is_running


async def test_c1_keys_for_the_palettes_list_before_it_is_filled_do_nothing() -> None:
    app = FinetuneApp()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        type_at_once(app, ["ctrl+p", "pagedown", "pageup", "down", "escape", "escape", "ctrl+p", "a", "escape", "1"])
        await pilot.pause(0.3)
        assert app.is_running
        assert app.screen is app.tab_screen


async def test_c1_keys_that_arrive_when_the_last_screen_is_gone_do_nothing() -> None:
    app = FinetuneApp()
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        await app.on_event(events.Key("a", "a"))
    assert not app.screen_stack
    await app.on_event(events.Key("a", "a"))
    key = events.Key("b", "b")
    key._set_forwarded()
    await app.on_event(key)
