"""Stopping and leaving: what Ctrl+C, quitting and detaching do."""

from __future__ import annotations

import time
from collections.abc import Callable

from tui_finetune.system.stopping import Press, Stopping
from tui_finetune.tui.host import Host
from tui_finetune.tui.monitor import Monitor


class Leaving:
    """How runs are stopped and the app is left.

    Args:
        host: the app.
        monitor: its runs.
        clock: seconds that never go back.

    Attributes:
        ended_at_once: whether the process must end without waiting for the training.
    """

    def __init__(self, host: Host, monitor: Monitor, clock: Callable[[], float] = time.monotonic) -> None:
        self.ended_at_once = False
        self._host = host
        self._monitor = monitor
        self._stopping = Stopping(clock)
        self._take_back: Callable[[], None] | None = None
        self._status_when_over: int | None = None

    def new_run(self) -> None:
        """Another run is watched: it has not been asked to stop."""
        self._stopping.begin_anew()

    def interrupt(self) -> None:
        """Ctrl+C: copy what is selected, else stop the reply, else stop the run, else say how to quit."""
        if self._host.copy_selection() or self._host.stop_reply():
            return
        if self._monitor.is_going or self._monitor.is_training:
            self._stop_run()
        else:
            self._host.say("ctrl+q quits.", seconds=3)

    def _stop_run(self) -> None:
        press = self._stopping.press()
        if press is Press.STOP:
            self._request_stop()
        elif press is Press.ASK:
            self._ask_to_end_at_once()
        elif press is Press.END:
            self.end_at_once()

    def _request_stop(self, reason: str = "") -> None:
        monitor = self._monitor
        run = (
            monitor.watched.run
            if monitor.is_going and monitor.watched
            else monitor.launch.run
            if monitor.launch
            else None
        )
        if run is None:
            return
        run.request("stop", reason=reason)
        steps = monitor.watched is not None and "training" in monitor.watched.state.progress
        self._host.say("Stopping after this step; everything is being saved." if steps else "Stopping.")

    def _ask_to_end_at_once(self) -> None:
        from tui_finetune.tui.question import Choice, Question

        def answered(answer: str | None) -> None:
            self._take_back = None
            if answer == "end":
                self.end_at_once()
            else:
                self._stopping.answered()

        question = Question(
            "The run is being stopped and saved. End it at once instead?",
            "What was trained since the last checkpoint would be lost; checkpoints that are saved stay.",
            (Choice("wait", "w", "Wait"), Choice("end", "e", "End at once")),
        )
        self._take_back = self._host.ask(question, answered)

    def end_at_once(self) -> None:
        """Leave without waiting for the step or the save. Only what is committed counts, so nothing saved is harmed."""
        if not self._monitor.is_training:
            self._host.say("The run is in another process; it ends when it has saved.")
            self._stopping.answered()
            return
        self.ended_at_once = True
        if self._monitor.launch is not None:
            self._monitor.launch.end_at_once()
        self._host.leave(130)

    def quit(self) -> None:
        """Quit; while a run is going here, ask what becomes of it."""
        if not self._monitor.is_training:
            self._host.leave(0)
            return
        if self._host.has_dialog():
            return
        from tui_finetune.tui.question import Choice, Question

        def answered(answer: str | None) -> None:
            if answer == "detach":
                self.detach()
            elif answer == "stop":
                self.end_training(0)

        question = Question(
            "A run is in progress. What should happen to it?",
            "Detached it continues in the background; `finetune-tui attach` comes back to it.",
            (Choice("detach", "d", "Detach"), Choice("stop", "s", "Save and stop"), Choice("stay", "escape", "Stay")),
        )
        self._host.ask(question, answered)

    def end_training(self, status: int, reason: str = "") -> None:
        """Save, end the run that is trained here, and leave with that exit status. A signal handler may call it."""
        if self._monitor.launch is not None:
            self._monitor.launch.stop(reason)
        self._status_when_over = status

    def check(self) -> None:
        """Leave where that was waited for; take back a question that the end of the run has answered."""
        if self._status_when_over is not None and not self._monitor.is_training:
            self._host.leave(self._status_when_over)
        if self._take_back is not None and not self._monitor.is_going:
            take_back, self._take_back = self._take_back, None
            take_back()

    def detach_if_going(self) -> None:
        """Detach, where a run is going."""
        if self._monitor.is_going:
            self.detach()
        else:
            self._host.say("No run is in progress.", severity="warning")

    def detach(self) -> None:
        """Leave; what is trained here continues."""
        if self._monitor.launch is not None:
            self._monitor.launch.begin()  # where its screen has not been drawn yet
        self._host.leave(0)
