"""Telling a spike from noise, as the losses come."""

from __future__ import annotations

import math
from collections import deque

from tui_finetune.runs.findings.limits import SPIKE_DEVIATIONS, SPIKE_POINTS, SPIKE_SHARE, SPIKE_WINDOW


class SpikeWatch:
    """Remembers the last losses, and says of a new one whether it stands out.

    Attributes:
        usual: the mean of the losses before the newest.
    """

    def __init__(self) -> None:
        self.usual = 0.0
        self._last: deque[float] = deque(maxlen=SPIKE_WINDOW)

    def add(self, loss: float) -> bool:
        """Take in a loss; whether it is a spike."""
        if not math.isfinite(loss):
            return False
        count = len(self._last)
        is_spike = False
        if count >= SPIKE_POINTS:
            self.usual = sum(self._last) / count
            deviation = math.sqrt(sum((value - self.usual) ** 2 for value in self._last) / count)
            limit = self.usual + max(SPIKE_DEVIATIONS * deviation, SPIKE_SHARE * abs(self.usual))
            is_spike = loss > limit
        if not is_spike:  # or the first spike would hide the next
            self._last.append(loss)
        return is_spike
