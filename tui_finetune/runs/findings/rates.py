"""Which learning rates suit a method and a model, and how far off one is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tui_finetune.config.names import PREFERENCE_SHARE
from tui_finetune.errors import Notice
from tui_finetune.runs.findings.limits import RATE_TIMES_BEFORE

if TYPE_CHECKING:
    from tui_finetune.config.schema import RunConfig

FULL, ADAPTER = "full fine-tuning", "LoRA"
_KNOWN_OPTIMIZERS = ("adamw", "paged_adamw", "adafactor")
"""For others, such as SGD, rates of quite another size are usual."""


@dataclass(frozen=True)
class UsualRate:
    """Rates that suit.

    Attributes:
        low, high: from where to where; the same where the model itself suggests one.
        best: one to begin with.
        what: what they suit: 'this model', 'full fine-tuning'.
    """

    low: float
    high: float
    best: float
    what: str

    @property
    def shown(self) -> str:
        return f"{self.best:g}" if self.low == self.high else f"{self.low:g} to {self.high:g}"


def method_of(config: RunConfig) -> str:
    """How the configuration trains, in words: all weights, or an adapter beside them."""
    method = str(getattr(config, "method", None) or "")
    adapter = "lora" in method.lower() or bool(getattr(config, "use_peft", False))
    return ADAPTER if adapter else FULL


def usual_rate(config: RunConfig, suggested: float | None = None) -> UsualRate | None:
    """The rates that suit a configuration; None where it can't be said.

    Args:
        config: the configuration.
        suggested: the rate that the model's own folder suggests, for full fine-tuning.
    """
    if not config.optim.startswith(_KNOWN_OPTIMIZERS):
        return None
    method = method_of(config)
    times = (10.0 if method == ADAPTER else 1.0) * PREFERENCE_SHARE.get(config.task, 1.0)
    if suggested is not None:
        return UsualRate(suggested * times, suggested * times, suggested * times, "this model")
    return UsualRate(1e-6 * times, 1e-4 * times, 2e-5 * times, method)


def times_off(rate: float, usual: UsualRate) -> float:
    """How many times a rate is too high (above 1), or as a negative number too low; 1 where it suits."""
    if rate > usual.high:
        return rate / usual.high
    return -usual.low / rate if rate < usual.low else 1.0


def rate_words(rate: float, usual: UsualRate) -> str:
    """How far off a rate is: 'a learning rate of 1 is 500 times what suits this model'."""
    times = times_off(rate, usual)
    figure = f"{abs(times):,.0f}" if abs(times) >= 10 else f"{abs(times):.1f}".removesuffix(".0")
    if times > 0:
        return f"a learning rate of {rate:g} is {figure} times what suits {usual.what}"
    return f"a learning rate of {rate:g} is {figure} times below what suits {usual.what}"


def rate_notice(config: RunConfig, suggested: float | None) -> Notice | None:
    """What is said before the start where the rate is a hundred times off; None else."""
    usual = usual_rate(config, suggested)
    if usual is None or abs(times_off(config.learning_rate, usual)) < RATE_TIMES_BEFORE:
        return None
    words = rate_words(config.learning_rate, usual)
    return Notice("warning", f"{words[0].upper()}{words[1:]}.", f"{usual.shown} is usual", "learning_rate")
