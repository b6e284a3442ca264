"""Watching a run: its state, kept up to date from its event log."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.events import Event
from tui_finetune.runs.findings.limits import SILENT_SECONDS
from tui_finetune.runs.health import verdict
from tui_finetune.runs.log import Follower
from tui_finetune.runs.state import RunState
from tui_finetune.runs.verdict import Verdict

if TYPE_CHECKING:
    from tui_finetune.config.schema import RunConfig

LIVE_CHECK_INTERVAL = 1.0

LIVE = frozenset({"starting", "running", "paused", "stopping"})
"""Statuses of a run that is going."""


class Watch:
    """A run as somebody who watches it sees it, whoever trains it.

    Args:
        run: the run's directory.
        trained_here: whether this very process trains it, which its lock doesn't tell before the training has begun.

    Attributes:
        run: the run's directory.
        state: what its events add up to so far.
    """

    def __init__(self, run: RunDirectory, trained_here: Callable[[], bool] = lambda: False) -> None:
        self._trained_here = trained_here
        self.run = run
        self.state = RunState()
        self._follower = Follower(run.events_path)
        self._polled = False
        self._live = True
        self._checked = -LIVE_CHECK_INTERVAL
        self._judged: tuple[object, Verdict] | None = None

    def poll(self) -> list[Event]:
        """Take in what is new, and return it; the first time all there is, without what newer events make pointless."""
        events = self._follower.poll(skim=not self._polled)
        self.state.apply_all(events)
        if not self._polled:
            # A log may be longer than what is read at a time.
            while more := self._follower.poll(skim=True):
                self.state.apply_all(more)
                events += more
        self._polled = self._polled or bool(events)
        return events

    def verdict(self, config: RunConfig | None = None, now: float | None = None) -> Verdict:
        """How the run is doing, worked out again where there is something new to judge; arguments as for `health.verdict`.

        Of a run that was interrupted as of one that is over.
        """
        state = self.state
        silent = now is not None and state.updated is not None and now - state.updated >= SILENT_SECONDS
        counts = [len(found) for found in (state.losses, state.eval_losses, state.spikes, state.checkpoints)]
        judged = (id(state), id(config), self.status, state.logged_step, counts, state.updated if silent else None)
        if self._judged is None or self._judged[0] != judged:
            self._judged = judged, verdict(state, config, now if self.status in LIVE else None)
        return self._judged[1]

    @property
    def is_live(self) -> bool:
        """Whether a process trains it; looked up at most once a second."""
        if self._trained_here():
            return True
        now = time.monotonic()
        if now - self._checked >= LIVE_CHECK_INTERVAL:
            self._checked = now
            self._live = self.run.is_live
        return self._live

    @property
    def status(self) -> str:
        """The run's status, or 'interrupted' where it hasn't ended and nobody trains it any more."""
        if not self.state.is_over and not self.is_live:
            return "interrupted"
        return self.state.status
