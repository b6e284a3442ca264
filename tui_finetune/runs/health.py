"""How a run is doing: the one answer that the screen, the list of runs, the exit lines and the card are made from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from tui_finetune.errors import Notice
from tui_finetune.runs.state import RunState

if TYPE_CHECKING:
    from tui_finetune.config.schema import RunConfig

WINDOW = 10
"""Logged losses whose mean is compared with as many before, or all that there are while there are fewer."""

LEVEL = 0.005
"""Share of the loss below which a change is chance."""

Trend = Literal["falling", "level", "rising"]


def trend(losses: Sequence[float]) -> Trend | None:
    """Where a loss is going; None before there are two points."""
    count = min(WINDOW, len(losses) // 2)
    if count == 0:
        return None
    now = sum(losses[-count:]) / count
    before = sum(losses[-2 * count : -count]) / count
    if not before or abs(now - before) <= LEVEL * abs(before):
        return "level"
    return "falling" if now < before else "rising"


def diagnose(state: RunState, config: RunConfig | None = None) -> list[Notice]:
    """All that can be said now, the most important first.

    Args:
        state: the run.
        config: its configuration, where it can be read.
    """
    findings = [*_overfitting(state), *_training(state), *_evaluation(state, config), *_saved(state)]
    order = {"error": 0, "warning": 1, "good": 2, "info": 3}
    return sorted(findings, key=lambda finding: order[finding.level])


def _rises_since(losses: Sequence[float]) -> int:
    """How many of the newest evaluations in a row were each higher than the one before."""
    count = 0
    while count + 1 < len(losses) and losses[-1 - count] > losses[-2 - count]:
        count += 1
    return count


def _overfitting(state: RunState) -> list[Notice]:
    evaluations = state.eval_losses
    rises = _rises_since(evaluations.values)
    if rises < 2 or state.best_step is None:
        return []
    at = evaluations.steps[-1 - rises]
    earlier = [loss for step, loss in state.losses if step <= at][-WINDOW:]
    newest = state.losses.values[-WINDOW:]
    if not earlier or sum(newest) / len(newest) >= sum(earlier) / len(earlier):
        return []
    return [
        Notice(
            "warning",
            f"Overfitting: the evaluation loss has risen {rises} times in a row while the training loss fell.",
            f"the best was at step {state.best_step:,}; stop, or use fewer epochs or more data",
        )
    ]


def _training(state: RunState) -> list[Notice]:
    losses = state.losses.values
    way = trend(losses)
    if way is None or len(losses) < 2 * WINDOW:
        return []
    first, now = sum(losses[:WINDOW]) / WINDOW, sum(losses[-WINDOW:]) / WINDOW
    so_far = f"{first:.3f} → {now:.3f}"
    if now > first * 1.1:
        message = f"The training loss is higher than at the start ({so_far})."
        return [Notice("warning", message, "a lower learning_rate usually cures that", "learning_rate")]
    if way == "falling":
        return [Notice("good", f"The training loss is falling ({so_far}).")]
    if way == "rising":
        return [Notice("info", f"The training loss has risen a little lately ({so_far} since the start).")]
    return [Notice("info", f"The training loss is level ({so_far} since the start).")]


def _evaluation(state: RunState, config: RunConfig | None) -> list[Notice]:
    losses = state.eval_losses
    if not losses:
        if config is not None and (config.validation_split == 0 or config.eval_strategy == "no"):
            message = "There is no evaluation: nothing tells whether the model overfits."
            return [Notice("info", message, "set validation_split and eval_strategy")]
        return []
    if state.best_step is None or state.best_eval_loss is None:
        return []  # Only evaluations that were asked for by hand.
    if losses.newest == state.best_eval_loss:
        if len(losses) == 1:
            return [Notice("info", f"One evaluation so far: {state.best_eval_loss:.3f}.")]
        message = f"The newest of {len(losses)} evaluations is the best ({state.best_eval_loss:.3f})."
        return [Notice("good", message)]
    since = sum(1 for step in losses.steps if step > state.best_step)
    times = "evaluation" if since == 1 else "evaluations"
    return [
        Notice(
            "info",
            f"No better evaluation since step {state.best_step:,} ({since} {times}).",
            "early_stopping_patience ends a run that gets no better",
        )
    ]


def _saved(state: RunState) -> list[Notice]:
    if not state.checkpoints:
        return []
    words = f"The newest checkpoint is of step {state.checkpoints[-1].step:,}"
    best = [saved.step for saved in state.checkpoints if saved.best]
    if best:
        words += f", the best one of step {best[-1]:,}"
    return [Notice("good", words + ".")]
