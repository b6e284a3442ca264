"""What a model wrote."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Stopped = Literal["end", "length", "cancelled"]


@dataclass(frozen=True)
class Reply:
    """What the model wrote.

    Attributes:
        text: the reply.
        tokens: generated tokens, the end-of-text token not counted.
        seconds: from the call to the last token.
        stopped: 'end' where the model ended it, 'length' where it was long enough, 'cancelled'.
        notice: what of the prompt was left out because it was too long, '' where nothing was.
    """

    text: str
    tokens: int
    seconds: float
    stopped: Stopped
    notice: str = ""
