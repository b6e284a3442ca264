"""What can be said about a run from its losses: is it learning, does it overfit, is the best of it saved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from tui_finetune.runs.state import RunState

if TYPE_CHECKING:
    from tui_finetune.config.schema import RunConfig

WINDOW = 10
"""Logged losses whose mean is compared with as many before."""

LEVEL = 0.005
"""Share of the loss below which a change is chance."""


@dataclass(frozen=True)
class Finding:
    """One thing that is well or not, and what to do about it."""

    level: Literal["good", "info", "warning", "error"]
    message: str
    remedy: str = ""


def _change(values: Sequence[float], window: int) -> float | None:
    """The relative change of the mean over the newest values against as many before; None with too few."""
    if len(values) < 2 * window:
        return None
    now, before = sum(values[-window:]) / window, sum(values[-2 * window : -window]) / window
    return (now - before) / abs(before) if before else None


def diagnose(state: RunState, config: RunConfig | None = None) -> list[Finding]:
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


def _overfitting(state: RunState) -> list[Finding]:
    rises = _rises_since(state.eval_losses)
    if rises < 2 or state.best_step is None:
        return []
    at = state.eval_steps[-1 - rises]
    earlier = [loss for step, loss in zip(state.steps, state.losses, strict=True) if step <= at][-WINDOW:]
    newest = state.losses[-WINDOW:]
    if not earlier or sum(newest) / len(newest) >= sum(earlier) / len(earlier):
        return []
    return [
        Finding(
            "warning",
            f"Overfitting: the evaluation loss has risen {rises} times in a row while the training loss fell.",
            f"the best was at step {state.best_step:,}; stop, or use fewer epochs or more data",
        )
    ]


def _training(state: RunState) -> list[Finding]:
    change = _change(state.losses, WINDOW)
    if change is None:
        return []
    first = sum(state.losses[:WINDOW]) / WINDOW
    now = sum(state.losses[-WINDOW:]) / WINDOW
    if now > first * (1 + 0.1):
        return [
            Finding(
                "warning",
                f"The training loss is higher than at the start ({first:.3f} → {now:.3f}).",
                "a lower learning_rate usually cures that",
            )
        ]
    so_far = f"{first:.3f} → {now:.3f}"
    if change < -LEVEL:
        return [Finding("good", f"The training loss is falling ({so_far}).")]
    if change > LEVEL:
        return [Finding("info", f"The training loss has risen a little lately ({so_far} since the start).")]
    return [Finding("info", f"The training loss is level ({so_far} since the start).")]


def _evaluation(state: RunState, config: RunConfig | None) -> list[Finding]:
    if not state.eval_losses:
        if config is not None and (config.validation_split == 0 or config.eval_strategy == "no"):
            return [
                Finding(
                    "info",
                    "There is no evaluation: nothing tells whether the model overfits.",
                    "set validation_split and eval_strategy",
                )
            ]
        return []
    count = len(state.eval_losses)
    if state.best_step is None or state.best_eval_loss is None:
        return []  # Only evaluations that were asked for by hand.
    if state.eval_losses[-1] == state.best_eval_loss:
        if count == 1:
            return [Finding("info", f"One evaluation so far: {state.eval_losses[0]:.3f}.")]
        return [Finding("good", f"The newest of {count} evaluations is the best ({state.best_eval_loss:.3f}).")]
    since = sum(1 for step in state.eval_steps if step > state.best_step)
    times = "evaluation" if since == 1 else "evaluations"
    return [
        Finding(
            "info",
            f"No better evaluation since step {state.best_step:,} ({since} {times}).",
            "early_stopping_patience ends a run that gets no better",
        )
    ]


def _saved(state: RunState) -> list[Finding]:
    if not state.checkpoints:
        return []
    newest = state.checkpoints[-1].get("step")
    best = [c.get("step") for c in state.checkpoints if c.get("best")]
    words = f"The newest checkpoint is of step {newest:,}" if isinstance(newest, int) else "A checkpoint is saved"
    if best and isinstance(best[-1], int):
        words += f", the best one of step {best[-1]:,}"
    return [Finding("good", words + ".")]
