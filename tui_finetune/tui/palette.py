"""What the command palette offers."""

from __future__ import annotations

import functools
from collections.abc import Iterator

from textual.app import App, SystemCommand
from textual.screen import Screen

from tui_finetune.config.presets import PRESETS
from tui_finetune.config.schema import settings
from tui_finetune.tui.screens.settings.presets import use_preset
from tui_finetune.tui.state import AppState

_SKIPPED = {"command_palette", "interrupt"}


def system_commands(app: App[int], screen: Screen[object], shared: AppState) -> Iterator[SystemCommand]:
    """Every action that has a key here and now, from the bindings themselves, and what has none.

    The settings, of which there are many, are only found by typing.
    """
    seen: set[str] = set()
    for active in screen.active_bindings.values():
        binding = active.binding
        if not binding.description or not binding.id or binding.action in seen or binding.action in _SKIPPED:
            continue
        seen.add(binding.action)
        title = f"{binding.description}  ({app.get_key_display(binding)})"
        run = functools.partial(app.run_action, binding.action, active.node)
        yield SystemCommand(title, binding.tooltip or binding.description, run)
    for name, preset in PRESETS.items():
        if name != shared.draft.preset_name:
            yield SystemCommand(f"Use preset {name}", preset.summary, functools.partial(use_preset, shared, name))
    dark = not app.current_theme.dark
    use = functools.partial(shared.host.use_colors, dark=dark)
    yield SystemCommand(f"Use {'dark' if dark else 'light'} colors", "Change the palette, from now on", use)
    for key, item in settings().items():
        names = f" ({', '.join(item.aliases)})" if item.aliases else ""
        go = functools.partial(shared.go_to_setting, key)
        yield SystemCommand(f"Go to setting {key}{names}", item.help, go, discover=False)
