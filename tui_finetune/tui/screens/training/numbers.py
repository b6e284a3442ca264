"""The numbers beside the chart: where the run is, how it goes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from tui_finetune.formatting import amount, duration
from tui_finetune.runs.findings.limits import DIVERGED_OVER_START
from tui_finetune.runs.health import Trend, trend
from tui_finetune.runs.state import RunState
from tui_finetune.tui.screens.training.device import resource_rows
from tui_finetune.tui.screens.training.rows import Row, Tone
from tui_finetune.tui.widgets.chart.labels import show_value

if TYPE_CHECKING:
    from tui_finetune.config.schema import RunConfig

_TRENDS: dict[Trend | None, tuple[str, Tone]] = {
    None: ("", ""), "falling": ("▼ falling", "better"), "level": ("─ level", ""), "rising": ("▲ rising", "worse"),
}  # fmt: skip
"""Where a loss is going, in a word with a mark, and its tone."""


def epochs(state: RunState, config: RunConfig | None) -> tuple[float, float] | None:
    """Epochs done and to do, or None where they can't be told yet."""
    step, total = state.step, state.total_steps
    if not total:
        return None
    if state.epoch and state.logged_step:
        per_step = state.epoch / state.logged_step
    elif config is not None and config.max_steps < 0:
        per_step = config.num_train_epochs / total
    else:
        return None
    whole = config.num_train_epochs if config is not None and config.max_steps < 0 else total * per_step
    return min(step * per_step, whole), whole


def _plain(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")


def number_rows(
    state: RunState, config: RunConfig | None, *, waited: float = 0.0, perplexity: bool = False
) -> list[Row]:
    """What the panel shows; what isn't known yet is left out.

    Args:
        state: the run.
        config: its configuration, where it can be read.
        waited: seconds since its last event, by the watcher's own clock.
        perplexity: in place of losses.
    """
    rows: list[Row] = []
    total = state.total_steps
    if total is not None:
        rows.append(Row("step", f"{state.step:,}", f"of {total:,}"))
    if (done := epochs(state, config)) is not None:
        rows.append(Row("epoch", f"{done[0]:.2f}", f"of {_plain(done[1])}", rank=1))
    rows += _loss_rows(state, _perplexity if perplexity else _loss, "ppl" if perplexity else "loss")
    rows += _pace_rows(state, 0.0 if state.is_over else waited)
    return rows if state.is_over else rows + resource_rows(state)


def _loss(loss: float) -> str:
    return f"{loss:.3f}" if math.isfinite(loss) else "not a number"


def _perplexity(loss: float) -> str:
    return show_value(math.exp(min(loss, 700.0))) if math.isfinite(loss) else "not a number"


def _course(state: RunState, loss: float, show: Callable[[float], str]) -> tuple[str, Tone]:
    """Where the loss is going. Falling is nothing good where it has risen far above what it began with."""
    going = trend(state.losses.values)
    first = state.losses.values[0]
    if going != "rising" and loss > DIVERGED_OVER_START * first:
        return f"▲ was {show(first)}", "worse"
    return _TRENDS[going]


def _loss_rows(state: RunState, show: Callable[[float], str], name: str) -> list[Row]:
    rows: list[Row] = []
    if (loss := state.losses.newest) is not None:
        rows.append(Row(name, show(loss), *_course(state, loss, show), group=1))
    before, best, newest = state.loss_before, state.best_eval_loss, state.eval_losses.newest
    if newest is not None:
        note: tuple[str, Tone] = ("", "")
        if before is not None:
            note = (f"▼ was {show(before)}", "better") if newest < before else (f"▲ was {show(before)}", "worse")
        elif best is not None:
            note = ("▼ best", "better") if newest <= best else ("▲ not best", "worse")
        rows.append(Row(f"eval {name}", show(newest), *note, group=1))
    elif before is not None:
        rows.append(Row(f"eval {name}", show(before), "before training", group=1))
    if best is not None:
        rows.append(Row("best", show(best), f"at step {state.best_step:,}", group=1, rank=1))
    return rows


def _pace_rows(state: RunState, waited: float) -> list[Row]:
    rows: list[Row] = []
    newest = state.curves.newest
    if (rate := newest("learning_rate")) is not None:
        rows.append(Row("lr", show_value(rate), group=2, rank=2))
    if (norm := newest("grad_norm")) is not None:
        rows.append(Row("grad norm", show_value(norm), group=2, rank=4))
    if (speed := newest("tokens_per_second")) is not None:
        rows.append(Row("speed", show_value(speed), "useful tok/s", group=2, rank=1))
    if (tokens := newest("num_tokens")) is not None:
        rows.append(Row("seen", amount(tokens), "tokens", group=2, rank=5))
    left = None if state.is_over else state.pace.seconds_left(state.step, state.total_steps)
    if left is not None and left > 0:
        rows.append(Row("left", duration(left) if left >= 1 else "a moment", group=3))
    if state.started is not None:
        rows.append(Row("elapsed", duration(state.pace.active_seconds + waited), group=3, rank=2))
    return rows
