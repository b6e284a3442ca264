"""The footer has at most six keys, on every screen, and only such as every terminal sends."""

from __future__ import annotations

import re

import pytest
from textual.widgets._footer import FooterKey

from tui_finetune.tui.app import FinetuneApp
from tui_finetune.tui.widgets.tab_bar import TABS

# Letters, digits and signs, function keys, arrows, and ctrl with a letter; ctrl+m, i, h and j are enter, tab, backspace
# and newline to a terminal.
SENT = re.compile(
    r"[a-z0-9]|f\d+|up|down|left|right|enter|escape|tab|space|backspace|delete|home|end|pageup|pagedown|"
    r"shift\+tab|ctrl\+[a-gk-ln-z]|slash|question_mark|plus|minus|equals_sign|(left|right)_square_bracket|comma|"
    r"full_stop|underscore|alt\+enter"
)


@pytest.mark.parametrize("mode", [mode for mode, _, _ in TABS])
async def test_six_keys_at_most_and_only_keys_that_are_sent(mode: str) -> None:
    async with FinetuneApp().run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        await pilot.app.switch_mode(mode)
        keys: list[FooterKey] = []
        for _ in range(200):
            keys = [key for key in pilot.app.screen.query(FooterKey) if key.description]
            if len(keys) >= 3:
                break
            await pilot.pause(0.05)
        assert 3 <= len(keys) <= 6
        own = {
            part
            for active in pilot.app.screen.active_bindings.values()
            if (active.binding.id or "").split(".")[0] in {mode, "run", "quit", "help", "interrupt", "palette", "chart"}
            for part in active.binding.key.split(",")
        }
        assert own
        assert [key for key in own if not SENT.fullmatch(key)] == []
