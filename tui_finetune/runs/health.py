"""How a run is doing: the one answer that the screen, the list of runs, the exit lines and the card are made from.

What can be found, one kind a function, is in `findings`; from where on, and where each figure is from, in `findings.limits`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from tui_finetune.errors import Level
from tui_finetune.runs.findings.evaluation import evaluation_findings
from tui_finetune.runs.findings.evidence import WINDOW, Evidence, shown
from tui_finetune.runs.findings.limits import CAUSE_TIMES
from tui_finetune.runs.findings.surroundings import surroundings
from tui_finetune.runs.findings.training import training_findings
from tui_finetune.runs.state import RunState
from tui_finetune.runs.verdict import Finding, Verdict

if TYPE_CHECKING:
    from tui_finetune.config.schema import RunConfig

LEVEL = 0.005
"""Share of the loss below which a change is chance."""

Trend = Literal["falling", "level", "rising"]

_ORDER: dict[Level, int] = {"error": 0, "warning": 1, "good": 2, "info": 3}


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


def verdict(state: RunState, config: RunConfig | None = None, now: float | None = None) -> Verdict:
    """How a run is doing, or did: of one that has ended what it wrote down itself, if it did.

    Args:
        state: the run.
        config: its configuration, where it can be read.
        now: Unix seconds, where it is asked about a run that a process trains now.
    """
    if state.result is not None and state.result.verdict is not None:
        return state.result.verdict
    return judge(state, config, now)


def judge(state: RunState, config: RunConfig | None = None, now: float | None = None) -> Verdict:
    """The verdict worked out from what was logged; arguments as for `verdict`."""
    findings = diagnose(state, config, now)
    seen = Evidence(state, config, state.is_over)
    plain = plain_words(seen, findings)
    worst = findings[0] if findings else None
    if worst is None:
        return Verdict(plain=plain)
    if worst.level == "error":
        return Verdict("error", f"went wrong: {worst.short}", plain, tuple(findings))
    if worst.level == "warning":
        return Verdict("warning", worst.short, plain, tuple(findings))
    level: Level = "good" if worst.level == "good" or _is_better(seen) else "info"
    return Verdict(level, plain[:1].lower() + plain[1:] if plain else worst.short, plain, tuple(findings))


def diagnose(state: RunState, config: RunConfig | None = None, now: float | None = None) -> list[Finding]:
    """All that can be said now, the most important first; arguments as for `verdict`."""
    seen = Evidence(state, config, state.is_over, now)
    findings = list(training_findings(seen))
    findings += evaluation_findings(seen, frozenset(finding.kind for finding in findings))
    findings += surroundings(seen)
    findings += _going(state, findings)
    return sorted(findings, key=lambda finding: _ORDER[finding.level])


def _going(state: RunState, findings: list[Finding]) -> list[Finding]:
    """What is well, where nothing is wrong with it, and what is saved."""
    found: list[Finding] = []
    losses = state.losses.values
    if len(losses) >= 2 * WINDOW and not any(finding.level in {"error", "warning"} for finding in findings):
        first, newest = sum(losses[:WINDOW]) / WINDOW, sum(losses[-WINDOW:]) / WINDOW
        if newest < (1 - LEVEL) * first and trend(losses) == "falling" and not state.is_over:
            found.append(
                Finding("good", f"The training loss is falling ({shown(first)} → {shown(newest)}).", kind="falling")
            )
    if state.checkpoints:
        words = f"The newest checkpoint is of step {state.checkpoints[-1].step:,}"
        best = [saved.step for saved in state.checkpoints if saved.best]
        words += f", the best one of step {best[-1]:,}" if best else ""
        found.append(Finding("info", words + ".", kind="saved"))
    return found


def _is_better(seen: Evidence) -> bool:
    best = seen.state.best_eval_loss
    return best is not None and seen.before is not None and best < seen.before


def _told_apart(seen: Evidence) -> str:
    """How many pairs it tells apart, of those that it was not trained on; '' where it doesn't compare replies."""
    shares = seen.state.curve("eval_rewards/accuracies").values
    if not seen.compares or not shares:
        return ""
    losses = seen.evaluations
    best = losses.index(min(losses)) if len(losses) == len(shares) else len(shares) - 1
    return f"It prefers the better reply in {shares[best]:.0%} of the pairs it never saw"


def plain_words(seen: Evidence, findings: Sequence[Finding]) -> str:
    """One line that a beginner understands: what training came to."""
    before, best = seen.before, seen.state.best_eval_loss
    told = _told_apart(seen)
    kinds = {finding.kind: finding for finding in findings}
    if before is not None and best is not None:
        if best >= before:
            return f"On text it never saw it got no better: {shown(before)} before, {shown(best)} at best."
        words = told or f"It went from {shown(before)} to {shown(best)} on text it never saw"
        since = kinds.get("overfitting") or kinds.get("memorized")
        if since is not None and since.since is not None:
            return f"{words}; after step {since.since:,} it only memorized."
        if {"shot-up", "rate", "flat"} & set(kinds) and abs(seen.rate_times) >= CAUSE_TIMES:
            return (
                f"{words}, which is little: the learning rate was far too {'high' if seen.rate_times > 0 else 'low'}."
            )
        return words + ("; then it went wrong." if {"diverged", "not-finite"} & set(kinds) else ".")
    if best is not None:
        return f"Its loss on text it never saw was {shown(best)} at best."
    if len(seen.losses) >= 2 and seen.current is not None:
        return f"Its training loss went from {shown(seen.losses[0])} to {shown(seen.current)}; it was not evaluated."
    return ""
