"""The line of keys at the bottom."""

from __future__ import annotations

from itertools import islice

from textual.app import ComposeResult
from textual.screen import Screen
from textual.widgets import Footer

MOST_KEYS = 6
"""Keys that are shown, the screen's own before the app's."""


class KeyFooter(Footer):
    """Textual's footer, made anew only when its keys are others.

    Textual makes it anew whenever the focus moves, which takes several times as long as moving it.
    """

    _keys: tuple[tuple[str, str, bool], ...] | None = None

    def compose(self) -> ComposeResult:
        yield from islice(super().compose(), MOST_KEYS)

    def bindings_changed(self, screen: Screen[object]) -> None:
        keys = tuple(
            (active.binding.key, active.binding.description, active.enabled)
            for active in screen.active_bindings.values()
            if active.binding.show
        )
        if keys != self._keys and screen.app.app_focus:
            self._keys = keys
            super().bindings_changed(screen)
