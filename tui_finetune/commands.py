"""What the command palette offers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from textual.app import SystemCommand
from textual.screen import Screen

if TYPE_CHECKING:
    from tui_finetune.app import FinetuneApp

_SKIPPED = {"command_palette", "interrupt"}


def system_commands(app: FinetuneApp, screen: Screen[Any]) -> Iterator[SystemCommand]:
    """Every action that has a key here and now, from the bindings themselves, and the few that have none."""
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
    other = "light" if app.current_theme.dark else "dark"
    yield SystemCommand(
        f"Use {other} colours", "Change the palette", lambda: setattr(app, "theme", f"finetune-{other}")
    )
