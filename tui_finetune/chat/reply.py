"""What a model wrote."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

Stopped = Literal["end", "length", "cancelled"]


@dataclass(frozen=True)
class Token:
    """A token of a reply, and how sure the model was of it.

    Attributes:
        text: the token by itself; of a character in several tokens only a part.
        probability: that of this token among all, at temperature 1 and without limits, from 0 to 1.
        likeliest: the tokens that the model thought likeliest there, with their probabilities, the likeliest first.
    """

    text: str
    probability: float
    likeliest: tuple[tuple[str, float], ...] = ()


def _nothing() -> tuple[Token, ...]:
    return ()


@dataclass(frozen=True)
class Reply:
    """What the model wrote.

    Attributes:
        text: the reply.
        tokens: generated tokens, the end-of-text token not counted.
        seconds: from the call to the last token.
        stopped: 'end' where the model ended it, 'length' where it was long enough, 'cancelled'.
        notice: what of the prompt was left out because it was too long, '' where nothing was.
        first_seconds: from the call to the first token; None where there is none.
        from_cache: tokens of the prompt that the model had read before.
        inside: reads the tokens one by one; worked out when asked for.
        cost: seconds that it took from the run that was asked; None where a model of its own was.
        step: the run's step at its end, where a run was asked.
    """

    text: str
    tokens: int
    seconds: float
    stopped: Stopped
    notice: str = ""
    first_seconds: float | None = None
    from_cache: int = 0
    inside: Callable[[], tuple[Token, ...]] = _nothing
    cost: float | None = None
    step: int | None = None

    @property
    def rate(self) -> float | None:
        """Tokens a second once the first was there; of the whole time where there is only one. None without any."""
        if not self.tokens or self.seconds <= 0:
            return None
        if self.first_seconds is not None and self.tokens > 1 and self.seconds > self.first_seconds:
            return (self.tokens - 1) / (self.seconds - self.first_seconds)
        return self.tokens / self.seconds


def mean_loss(tokens: Sequence[Token]) -> float | None:
    """The mean loss of tokens in nats; None where there are none."""
    if not tokens:
        return None
    return -sum(math.log(max(token.probability, 1e-38)) for token in tokens) / len(tokens)
