"""What the command palette offers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from textual.app import SystemCommand
from textual.screen import Screen

from tui_finetune.config.presets import KEPT, PRESETS
from tui_finetune.config.schema import settings

if TYPE_CHECKING:
    from tui_finetune.tui.app import FinetuneApp

_SKIPPED = {"command_palette", "interrupt"}


def system_commands(app: FinetuneApp, screen: Screen[Any]) -> Iterator[SystemCommand]:
    """Every action that has a key here and now, from the bindings themselves, and what has none.

    The settings, of which there are many, are only found by typing.
    """
    seen: set[str] = set()
    for active in screen.active_bindings.values():
        binding = active.binding
        if not binding.description or not binding.id or binding.action in seen or binding.action in _SKIPPED:
            continue
        seen.add(binding.action)
        key = app.get_key_display(binding)
        node = active.node

        async def run(action: str = binding.action, node: Any = node) -> None:
            await app.run_action(action, node)

        yield SystemCommand(f"{binding.description}  ({key})", binding.tooltip or binding.description, run)
    for name, preset in PRESETS.items():
        if name != app.preset_name:
            yield SystemCommand(f"Use preset {name}", preset.summary, lambda name=name: use_preset(app, name))
    other = "light" if app.current_theme.dark else "dark"
    yield SystemCommand(f"Use {other} colors", "Change the palette", lambda: setattr(app, "theme", f"finetune-{other}"))
    for key, item in settings().items():
        names = f" ({', '.join(item.aliases)})" if item.aliases else ""
        yield SystemCommand(
            f"Go to setting {key}{names}", item.help, lambda key=key: go_to_setting(app, key), discover=False
        )


async def go_to_setting(app: FinetuneApp, key: str) -> None:
    """Show the Settings screen with the focus on one setting."""
    from tui_finetune.tui.screens.settings.screen import SettingsScreen

    await app.switch_mode("settings")
    if isinstance(screen := app.tab_screen, SettingsScreen):
        screen.focus_setting(key)


def use_preset(app: FinetuneApp, name: str) -> None:
    """Start from a preset; asks first where that lets go of what was chosen one by one."""
    from tui_finetune.tui.dialogs.confirm import Choice, Confirm

    lost = [key for key in app.choices if key not in KEPT]
    if not lost:
        app.choose_preset(name)
        return
    app.push_screen(
        Confirm(
            f"Start from preset {name}?",
            f"What you chose yourself goes back to what it gives: {', '.join(lost)}.",
            [Choice("keep", "k", "Keep mine"), Choice("use", "u", f"Use {name}")],
        ),
        lambda answer: app.choose_preset(name) if answer == "use" else None,
    )
