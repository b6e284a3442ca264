"""Ctrl+Z: the app steps aside and comes back as other terminal programs do, also where it is stopped from outside."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from textual.app import App
    from textual.driver import Driver

ONE_CONTINUE_SECONDS = 0.5
"""A shell continues the whole job, and the process in front passes it on: both are one."""


class Suspending:
    """Takes over the signals that stop and continue the process from Textual's driver.

    That one puts the terminal in order when it is asked to stop, but not after a SIGSTOP, which nobody is asked about; and
    it starts anew for each SIGCONT, of which two may come.

    Args:
        app: the app, once it runs in the terminal.
        driver: its driver.
        clock: seconds that never go back.
    """

    def __init__(self, app: App[int], driver: Driver, clock: Callable[[], float] = time.monotonic) -> None:
        self._app = app
        self._driver = driver
        self._clock = clock
        self._away = False
        self._returning = False
        self._back_at = -ONE_CONTINUE_SECONDS
        if driver.can_suspend and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTSTP, self._stop)
            signal.signal(signal.SIGCONT, self._continue)

    def _stop(self, *_: int | FrameType | None) -> None:
        if not self._away:
            self._driver.suspend_application_mode()
            self._away = True
        os.kill(os.getpid(), signal.SIGSTOP)

    def _continue(self, *_: int | FrameType | None) -> None:
        # A second signal may come within this very handler: the driver would then have two threads that read the keys, of
        # which one waits for what the other took, and quitting would wait for it.
        if self._returning or (not self._away and self._clock() - self._back_at < ONE_CONTINUE_SECONDS):
            return
        self._returning = True
        try:
            if not self._away:
                self._driver.suspend_application_mode()
            self._away = False
            self._driver.resume_application_mode()
        finally:
            self._returning = False
            self._back_at = self._clock()
        self._app.call_later(self._draw_all)

    def _draw_all(self) -> None:
        for screen in self._app.screen_stack:
            screen.refresh(layout=True)
