"""What findings are made from: a run's numbers, looked at in a few ways."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import median
from typing import TYPE_CHECKING

from tui_finetune.runs.findings.rates import UsualRate, rate_words, times_off, usual_rate
from tui_finetune.runs.findings.spikes import SpikeWatch
from tui_finetune.runs.state import RunState

if TYPE_CHECKING:
    from tui_finetune.config.schema import RunConfig

WINDOW = 10
"""Points that are taken together as what a loss is now; of short runs fewer."""

BUCKETS = 200


@dataclass(frozen=True)
class Evidence:
    """A run, as findings look at it.

    Attributes:
        state: the run.
        config: its configuration, where it can be read.
        is_over: whether it has ended.
        now: Unix seconds, where it is asked about a run that is going.
    """

    state: RunState
    config: RunConfig | None = None
    is_over: bool = False
    now: float | None = None

    @property
    def compares(self) -> bool:
        """Whether it learns which replies are preferred: its loss is then no measure of how likely a text is, is near zero
        where replies are told apart, and its gradients are of whole replies."""
        return self.config is not None and self.config.task != "sft"

    @property
    def losses(self) -> Sequence[float]:
        """The training loss, as logged."""
        return self.state.losses.values

    @property
    def evaluations(self) -> Sequence[float]:
        """The evaluation losses that count, and those that were asked for."""
        return self.state.eval_losses.values

    @property
    def before(self) -> float | None:
        """The evaluation loss before training."""
        return self.state.loss_before

    @cached_property
    def smoothed(self) -> list[float]:
        """The training loss as the means of parts of equal length, two hundred at most, of ten points or so at least."""
        return parts(self.losses)

    @property
    def smoothed_after_warmup(self) -> list[float]:
        """The same, of the points behind the warmup."""
        count = self.points_after_warmup
        return self.smoothed if count == len(self.losses) else parts(self.losses[len(self.losses) - count :])

    @cached_property
    def current(self) -> float | None:
        """What the training loss is now: the median of its newest points, which one spike doesn't move."""
        values = self.losses
        count = min(WINDOW, max(len(values) // 4, 1))
        return median(values[-count:]) if values else None

    @property
    def start(self) -> float | None:
        """What the loss began with: before training where that is known, else as it was first logged."""
        return self.before if self.before is not None else (self.losses[0] if self.losses else None)

    @cached_property
    def points_after_warmup(self) -> int:
        """Logged losses behind the warmup."""
        warmup = float(self.config.warmup_steps) if self.config is not None else 0.0
        if 0 < warmup < 1:
            warmup *= self.state.total_steps or 0
        return len(self.losses) - (bisect_right(self.state.losses.steps, int(warmup)) if warmup else 0)

    @property
    def rate(self) -> float | None:
        """The learning rate that was set."""
        known = self.state.facts.get("learning_rate")
        return known if known is not None else (self.config.learning_rate if self.config is not None else None)

    @cached_property
    def usual(self) -> UsualRate | None:
        """The rates that suit."""
        return usual_rate(self.config, self.state.facts.get("suggested_rate")) if self.config is not None else None

    @property
    def rate_times(self) -> float:
        """How many times the rate is off, as `times_off` says; 1 where that can't be said."""
        return times_off(self.rate, self.usual) if self.rate is not None and self.usual is not None else 1.0

    @property
    def rate_cause(self) -> str:
        """How far the rate is off, in words; '' where that isn't known."""
        return rate_words(self.rate, self.usual) if self.rate is not None and self.usual is not None else ""

    def training_at(self, step: int) -> float | None:
        """What the training loss was around a step: the mean of the points up to it."""
        end = bisect_right(self.state.losses.steps, step)
        values = self.losses[max(end - WINDOW, 0) : end]
        return sum(values) / len(values) if values else None


def parts(values: Sequence[float]) -> list[float]:
    """Means of consecutive parts of equal length."""
    length = max(min(WINDOW, max(len(values) // 4, 1)), -(-len(values) // BUCKETS))
    return [
        sum(values[begin : begin + length]) / len(values[begin : begin + length])
        for begin in range(0, len(values), length)
    ]


def spikes_in(values: Sequence[float], newest: int) -> list[int]:
    """Which of the newest points stand out from those before them: their places in `values`."""
    watch = SpikeWatch()
    begin = max(len(values) - 2 * newest, 0)
    return [place for place in range(begin, len(values)) if watch.add(values[place]) and place >= len(values) - newest]


def shown(loss: float) -> str:
    """A loss as it stands in a sentence."""
    return f"{loss:.1f}" if abs(loss) >= 10 else f"{loss:.2f}" if abs(loss) >= 0.1 else f"{loss:.3f}"
