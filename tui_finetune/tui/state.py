"""What the screens share. They are handed it; none of them knows the app."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tui_finetune.tui.draft import Draft
from tui_finetune.tui.host import Host
from tui_finetune.tui.leaving import Leaving
from tui_finetune.tui.monitor import Monitor

if TYPE_CHECKING:
    from tui_finetune.runs.directory import RunDirectory


@dataclass
class Wish:
    """What is wanted of a screen when it comes to the front; None for nothing."""

    name: str | None = None

    def take(self) -> str | None:
        """The wish, which is nobody's any more."""
        name, self.name = self.name, None
        return name


@dataclass
class AppState:
    """The parts that the screens are handed.

    Attributes:
        host: the app, as far as screens and parts need it.
        draft: what is chosen for the next run.
        monitor: the runs.
        leaving: stopping and leaving.
        clock: seconds that never go back.
        now: Unix seconds.
        chat_target: whom the Chat screen shall talk to: a run, a folder, 'starter' or a hub name.
        chat_compare: that run, beside the model it was made from.
        wanted_run: the path of the run that the Runs screen shall mark for comparing.
        wanted_setting: the key of the setting that the Settings screen shall go to.
    """

    host: Host
    draft: Draft
    monitor: Monitor
    leaving: Leaving
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time
    chat_target: Wish = field(default_factory=Wish)
    chat_compare: Wish = field(default_factory=Wish)
    wanted_run: Wish = field(default_factory=Wish)
    wanted_setting: Wish = field(default_factory=Wish)

    def compare(self, run: RunDirectory) -> None:
        """Show the Runs screen with a run marked for comparing."""
        self.wanted_run.name = str(run.path)
        self.host.show_tab("runs")

    def chat_with(self, name: str) -> None:
        """Show the Chat screen and load a model there."""
        self.chat_target.name = name
        self.host.show_tab("chat")

    def compare_before_and_after(self, name: str) -> None:
        """Show the Chat screen, where the next prompt is given to a run's model and to what it was made from."""
        self.chat_target.name = self.chat_compare.name = name
        self.host.show_tab("chat")

    def go_to_setting(self, key: str) -> None:
        """Show the Settings screen with the focus on one setting."""
        self.wanted_setting.name = key
        self.host.show_tab("settings")
