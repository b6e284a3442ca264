"""Telling a person who looks elsewhere how the run is: the terminal's title, and notifications by the terminal."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from tui_finetune.errors import UserError
from tui_finetune.system.announce import KEEP_TITLE, RESTORE_TITLE, notification, title

if TYPE_CHECKING:
    from tui_finetune.runs.watch import Watch

LOOK_SECONDS = 30.0
"""How often the run's health is looked at, which takes all its points."""


class Announcer:
    """Watches a run for what a person should know who has the terminal in the background.

    Args:
        write: sends a sequence to the terminal.
        environ: tells what terminal it is.
        clock: seconds that never go back.
    """

    def __init__(
        self, write: Callable[[str], None], environ: Mapping[str, str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._write = write
        self._environ = environ
        self._clock = clock
        self._watch: Watch | None = None
        self._title = ""
        self._was_going = False
        self._told: set[str] = set()
        self._looked_at = -math.inf

    def look(self, watch: Watch | None) -> None:
        """Tell what is new of a run."""
        if watch is None:
            return
        if watch is not self._watch:
            self._watch, self._was_going, self._told, self._looked_at = watch, False, set(), -math.inf
        from tui_finetune.runs.status import OVER

        over = watch.status in OVER
        if not over:
            self._was_going = True
            self._show_title(_title(watch))
            self._look_at_health(watch)
        elif self._was_going:
            self._was_going = False
            self._show_title("")
            self._tell_end(watch)

    def leave(self) -> None:
        """Give the terminal its own title back."""
        self._show_title("")

    def _show_title(self, words: str) -> None:
        if words != self._title:
            before, self._title = self._title, words
            if not words:
                self._write(RESTORE_TITLE)
            else:
                self._write(("" if before else KEEP_TITLE) + title(words))

    def _look_at_health(self, watch: Watch) -> None:
        if watch.state.phase != "training" or self._clock() - self._looked_at < LOOK_SECONDS:
            return
        self._looked_at = self._clock()
        from tui_finetune.runs.health import diagnose

        for finding in diagnose(watch.state):
            if finding.level == "error" and finding.message not in self._told:
                self._told.add(finding.message)
                self._notify(watch, finding.message)

    def _tell_end(self, watch: Watch) -> None:
        from tui_finetune.runs.outcome import outcome

        self._notify(watch, outcome(watch.state, watch.status, watch.run.path).headline)

    def _notify(self, watch: Watch, words: str) -> None:
        try:
            wanted = watch.run.read_config().notify
        except UserError:
            wanted = "terminal"
        if wanted != "none":
            self._write(notification(watch.run.name, words, self._environ))


def _title(watch: Watch) -> str:
    """How far it is and its loss, as '62 % loss 1.83'."""
    state = watch.state
    loss = state.losses.newest
    parts = [f"{100 * state.step // state.total_steps} %" if state.total_steps else watch.status]
    if loss is not None:
        parts.append(f"loss {loss:.2f}")
    return f"{' '.join(parts)} · {watch.run.name}"
