"""Starting from a preset."""

from __future__ import annotations

from tui_finetune.config.presets import KEPT
from tui_finetune.tui.question import Choice, Question
from tui_finetune.tui.state import AppState


def use_preset(shared: AppState, name: str) -> None:
    """Start from a preset; asks first where that lets go of what was chosen one by one."""
    draft = shared.draft
    lost = [key for key in draft.choices if key not in KEPT]
    if not lost:
        draft.choose_preset(name)
        return
    question = Question(
        f"Start from preset {name}?",
        f"Your own changes are replaced by its values: {', '.join(lost)}.",
        (Choice("keep", "k", "Keep mine"), Choice("use", "u", f"Use {name}")),
    )
    shared.host.ask(question, lambda answer: draft.choose_preset(name) if answer == "use" else None)
