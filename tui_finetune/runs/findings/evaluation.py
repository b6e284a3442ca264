"""Findings in the evaluation loss: what the model does on text that it is not trained on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from tui_finetune.errors import Level
from tui_finetune.runs.findings import limits
from tui_finetune.runs.findings.evidence import Evidence, shown
from tui_finetune.runs.findings.training import drift, lower_rate
from tui_finetune.runs.verdict import Finding, Way


def evaluation_findings(seen: Evidence, wrong: frozenset[str]) -> Iterator[Finding]:
    """All findings of the evaluation loss.

    Args:
        seen: the run.
        wrong: the kinds of what was found in the training loss already.
    """
    if not seen.evaluations:
        if seen.config is not None and (seen.config.validation_split == 0 or seen.config.eval_strategy == "no"):
            message = "There is no evaluation: nothing tells whether the model overfits."
            yield Finding(
                "info", message, "set validation_split and eval_strategy", "validation_split", kind="unwatched"
            )
        return
    bad = wrong & {"diverged", "not-finite", "gradient-zero"}
    worse = None if bad else (None if seen.compares else memorized(seen)) or overfitting(seen) or rising(seen)
    if worse is not None:
        yield worse
    nothing = None if bad or "flat" in wrong else no_better(seen)
    if nothing is not None:
        yield nothing
    if bad or worse or nothing or wrong & {"flat", "shot-up", "rate"}:
        return
    for finding in (still_improving(seen), improving(seen), little_more(seen)):
        if finding is not None:
            yield finding
            return


def _best(seen: Evidence) -> tuple[int, float]:
    """Step and loss of the best evaluation."""
    losses = seen.evaluations
    place = min(range(len(losses)), key=losses.__getitem__)
    return seen.state.eval_losses.steps[place], losses[place]


def _training_fell(seen: Evidence, since: int) -> bool:
    earlier, now = seen.training_at(since), seen.training_at(seen.state.logged_step)
    return earlier is not None and now is not None and now < 0.99 * earlier


def _is_up(seen: Evidence) -> bool:
    """Three readings each above the one before, or one far above the best."""
    losses, (_, best) = seen.evaluations, _best(seen)
    newest = list(losses[-limits.OVERFIT_READINGS :])
    steadily = len(newest) == limits.OVERFIT_READINGS and all(a < b for a, b in pairwise(newest))
    return (steadily and losses[-1] >= (1 + limits.OVERFIT_LEAST) * best) or losses[-1] >= (
        1 + limits.OVERFIT_SHARE
    ) * best


def _way_out(seen: Evidence, step: int) -> tuple[str, Way]:
    if seen.is_over:
        return f"the model of step {step:,} was kept; next time fewer epochs, or more data", Way("chat")
    return f"stop: the model of step {step:,} is the best; fewer epochs or more data help", Way("stop")


def overfitting(seen: Evidence) -> Finding | None:
    """Evaluation rises while the training loss falls."""
    step, best = _best(seen)
    if not _is_up(seen) or not _training_fell(seen, step):
        return None
    return _overfits(seen, step, best, "overfitting")


def memorized(seen: Evidence) -> Finding | None:
    """The training text is known by heart: a loss near zero while evaluation rises."""
    step, best = _best(seen)
    training = seen.current
    rises = seen.evaluations[-1] >= (1 + limits.OVERFIT_LEAST) * best
    if training is None or training >= limits.MEMORIZED_LOSS or not rises or not _training_fell(seen, step):
        return None
    return _overfits(seen, step, best, "memorized", ": it has memorized its training text")


def _overfits(seen: Evidence, step: int, best: float, kind: str, more: str = "") -> Finding:
    newest, training = seen.evaluations[-1], seen.current or 0.0
    message = (
        f"Overfitting since step {step:,}: the evaluation loss rose from {shown(best)} to {shown(newest)} "
        f"while the training loss fell to {shown(training)}, a gap of {shown(newest - training)}{more}."
    )
    remedy, way = _way_out(seen, step)
    return Finding("warning", message, remedy, "num_train_epochs", kind=kind, since=step, way=way)


def rising(seen: Evidence) -> Finding | None:
    """Evaluation rises, and the training loss doesn't fall."""
    step, best = _best(seen)
    if seen.evaluations[-1] < (1 + limits.OVERFIT_SHARE) * best:
        return None
    way = lower_rate(seen)
    message = f"The evaluation loss has risen from {shown(best)} to {shown(seen.evaluations[-1])} since step {step:,}."
    remedy = f"start it {way.words}" if way else "start it again with a lower learning_rate"
    return Finding("warning", message, remedy, "learning_rate", kind="rising", since=step, way=way)


def no_better(seen: Evidence) -> Finding | None:
    """The best evaluation is not below the loss before training."""
    before, (_, best) = seen.before, _best(seen)
    if before is None or best < before or (len(seen.evaluations) < 2 and not seen.is_over):
        return None
    much = best > (1 + limits.WORSE_SHARE) * before
    cause, way = "", None
    if abs(seen.rate_times) >= limits.CAUSE_TIMES and seen.usual is not None:
        cause, way = f"; {seen.rate_cause}", Way("again", {"learning_rate": seen.usual.best})
    elif much:
        way = lower_rate(seen)
    words = "worse" if much else "no better"
    message = f"It is {words} than before training on text it never saw: {shown(best)} at best, {shown(before)} before{cause}."
    remedy = f"start it {way.words}" if way else "more data, or data that is less like what the model knows already"
    level: Level = "error" if much and seen.is_over else "warning"
    return Finding(level, message, remedy, "learning_rate", kind="no-better", way=way)


def still_improving(seen: Evidence) -> Finding | None:
    """The last evaluation is the best by more than chance: it could go on."""
    losses = seen.evaluations
    if seen.state.status != "finished" or len(losses) < 2 or seen.config is None:
        return None
    earlier = min(losses[:-1])
    if losses[-1] >= (1 - limits.IMPROVING_SHARE) * earlier:
        return None
    changes: dict[str, object] = {"num_train_epochs": 2 * seen.config.num_train_epochs}
    if seen.config.max_steps > 0:
        changes = {"max_steps": 2 * seen.config.max_steps}
    way = Way("extend", changes)
    message = f"It was still improving at its end: {shown(earlier)}, then {shown(losses[-1])}."
    return Finding("info", message, f"more may help: {way.words}", "num_train_epochs", kind="still-improving", way=way)


def improving(seen: Evidence) -> Finding | None:
    """The newest evaluation is the best."""
    losses, state = seen.evaluations, seen.state
    if state.best_eval_loss is None or losses[-1] > state.best_eval_loss:
        return None
    was = f", was {shown(seen.before)} before training" if seen.before is not None else ""
    if len(losses) == 1:
        level: Level = "good" if seen.before is not None and losses[-1] < seen.before else "info"
        return Finding(level, f"One evaluation so far: {shown(losses[-1])}{was}.", kind="improving")
    message = f"The newest of {len(losses)} evaluations is the best ({shown(losses[-1])}{was})."
    return Finding("good", message, kind="improving")


def little_more(seen: Evidence) -> Finding | None:
    """Next to nothing was gained over the last third."""
    if len(seen.losses) < limits.FLAT_POINTS:
        return None
    steps, losses = seen.state.eval_losses.steps, seen.evaluations
    begin = seen.state.losses.steps[2 * len(seen.losses) // 3]
    late = [loss for step, loss in zip(steps, losses, strict=True) if step >= begin]
    gained = 1 - min(late[1:]) / late[0] if len(late) > 1 else _training_gain(seen.losses)
    if gained is None or gained >= limits.FLAT_SHARE:
        return None
    way = None if seen.is_over else Way("stop")
    message = f"It learns little more: {max(gained, 0):.1%} gained over the last third."
    remedy = "the rest will bring little more" if way else "another run may do with fewer steps"
    return Finding("info", message, remedy, "num_train_epochs", kind="little-more", way=way)


def _training_gain(losses: Sequence[float]) -> float | None:
    """The share by which the training loss fell over its last third; None where noise is more than that."""
    last = losses[2 * len(losses) // 3 :]
    step = max(len(last) // 1000, 1)
    change, error = drift(last[::step])
    mean = sum(last) / len(last)
    return -change / mean if mean > 0 and error < limits.FLAT_SHARE * mean else None
