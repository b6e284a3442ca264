"""How the next token is chosen. No torch."""

from __future__ import annotations

from dataclasses import dataclass

from tui_finetune.errors import UserError

# field: (lowest, highest, whether the lowest itself is allowed, what to write)
_BOUNDS: dict[str, tuple[float, float, bool, str]] = {
    "temperature": (0, 10, True, "from 0 (always the likeliest token) to 10; 0.7 to 1 is usual"),
    "top_p": (0, 1, False, "above 0 and at most 1; 1 turns it off"),
    "top_k": (0, 1_000_000, True, "a whole number from 0, which turns it off"),
    "min_p": (0, 1, True, "from 0, which turns it off, to 1; 0.05 to 0.1 is usual"),
    "max_new_tokens": (1, 1_000_000, True, "a whole number from 1"),
    "repetition_penalty": (0, 10, False, "above 0; 1 turns it off, 1.1 is usual"),
}


@dataclass(frozen=True)
class Sampling:
    """The settings of one reply; checked when it is made, and raises UserError for what is out of bounds.

    Attributes:
        temperature: divides the logits; below 1 more predictable, above 1 more varied. 0 always takes the likeliest.
        top_p: only the likeliest tokens that together have this probability are drawn from.
        top_k: only so many of the likeliest are drawn from; 0 for all.
        min_p: tokens that are less than so many times as likely as the likeliest are not drawn; 0 for no limit.
        max_new_tokens: the reply ends there at the latest.
        repetition_penalty: above 1 makes tokens that are in the text already less likely.
        seed: the same seed, prompt and settings give the same reply; None for another one each time.
    """

    temperature: float = 0.8
    top_p: float = 0.95
    top_k: int = 0
    min_p: float = 0.0
    max_new_tokens: int = 200
    repetition_penalty: float = 1.0
    seed: int | None = None

    def __post_init__(self) -> None:
        for name, (low, high, closed, allowed) in _BOUNDS.items():
            value = getattr(self, name)
            whole = name in {"top_k", "max_new_tokens"}
            good = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
            if not good or not (low < value <= high or (closed and value == low)):
                raise UserError(f"{name}: {value} is not allowed", f"use {allowed}", setting=name)
        if self.seed is not None and not (isinstance(self.seed, int) and 0 <= self.seed < 2**63):
            raise UserError(f"seed: {self.seed} is not allowed", "use a whole number from 0", setting="seed")
