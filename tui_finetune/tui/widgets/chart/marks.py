"""What happened at which step, as marks on the axis of a run."""

from __future__ import annotations

from tui_finetune.runs.state import RunState
from tui_finetune.tui.widgets.chart.panels import Mark
from tui_finetune.tui.widgets.chart.plot import Ink


def marks_of(state: RunState) -> list[Mark]:
    """Checkpoints, what was done because it was asked for, resumes, and settings that were changed then; of marks in one
    cell the later one is seen."""
    marks: list[Mark] = [(saved.step, "▲", Ink.SAVED) for saved in state.checkpoints]
    marks += [(step, "○", Ink.ASKED) for step in sorted(state.obeyed | state.asked_for)]
    for step, changed in state.resumes.items():
        marks.append((step, "♦", Ink.CHANGED) if changed else (step, "►", Ink.RESUMED))
    return marks
