"""Loading the model that is talked to. Knows no screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui_finetune.chat.conversation import Style
from tui_finetune.system.progress import Report

if TYPE_CHECKING:
    from tui_finetune.chat.engine import Engine


def load(name: str, report: Report) -> tuple[Engine, Style]:
    """Load a model, and tell how it is talked to at first.

    Args:
        name: a run's name or directory, a model's folder, 'starter' or a hub name.
        report: progress; may raise Cancelled.

    Raises:
        UserError: there is no such model, or it can't be loaded.
    """
    from tui_finetune.chat.engine import Engine
    from tui_finetune.chat.targets import learned_plain_text, resolve_chat_target

    path, _ = resolve_chat_target(name)
    engine = Engine.load(path, report)
    return engine, "text" if learned_plain_text(path) or not engine.has_chat_template else "turns"
