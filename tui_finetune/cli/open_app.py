"""Opening the app: the terminal checked and kept, signals, and what becomes of a run when the app is left."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from tui_finetune.errors import UserError
from tui_finetune.system.allocator import keep_freed_memory
from tui_finetune.system.appearance import choose, color_depth, is_dark
from tui_finetune.system.background import Front, let_go_of_terminal, run_detachable
from tui_finetune.system.files import PRIVATE_DIRECTORY
from tui_finetune.system.paths import state_dir
from tui_finetune.system.terminal import is_terminal, over_ssh

if TYPE_CHECKING:
    from tui_finetune.runs.directory import RunDirectory
    from tui_finetune.training.launch import Launch
    from tui_finetune.tui.app import FinetuneApp

ENDING_SECONDS = 5.0
"""How long the app may take to leave once its run is over."""


def open_app(run: RunDirectory | None = None) -> int:
    """Open the app, on a run if one is given, and return the exit status."""
    if not is_terminal() or (os.environ.get("TERM") or "dumb") == "dumb":
        raise UserError("the app needs a terminal", "without one, use `finetune-tui train` (see its --help)")
    for name in ("COLUMNS", "LINES"):
        # Exported by a shell they would be taken for the terminal's size, which changes.
        os.environ.pop(name, None)
    if over_ssh():
        # Animations cost bytes and show nothing over a slow line.
        os.environ.setdefault("TEXTUAL_ANIMATIONS", "none")
        os.environ.setdefault("TEXTUAL_FPS", "15")
    return run_detachable(lambda front: _run_app(front, run))


def _log_path() -> Path:
    """Where what libraries print goes while no run is going."""
    try:
        state_dir().mkdir(mode=PRIVATE_DIRECTORY, parents=True, exist_ok=True)
    except OSError:
        return Path(os.devnull)
    return state_dir() / "app.log"


def _appearance_path() -> Path:
    """Where it is remembered what colors suit the terminal."""
    return state_dir() / "appearance.json"


def _run_app(front: Front, run: RunDirectory | None) -> int:
    from tui_finetune.system.output import keep_terminal, output_to

    log_path, remembered = _log_path(), _appearance_path()
    dark = is_dark(os.environ, remembered)
    gc.disable()  # what is imported now stays; the app turns it on again behind its first frame
    keep_freed_memory()
    duplicates = keep_terminal()
    from tui_finetune.tui.app import FinetuneApp
    from tui_finetune.tui.theme import theme_name

    theme = theme_name(color_depth(os.environ), dark=dark)
    app = FinetuneApp(run=run, log_path=log_path, theme=theme, on_theme=lambda dark: choose(dark, remembered))
    _Signals(app, duplicates)
    with output_to(log_path):
        return asyncio.run(_until_over(app, front, duplicates))


async def _until_over(app: FinetuneApp, front: Front, duplicates: list[int]) -> int:
    """Run the app; afterwards end the process, or let it train on in the background."""
    status = await app.run_async()
    status = app.return_code or 0 if status is None else status
    if app.crash is not None:
        from tui_finetune.cli.output import write_error

        write_error(app.crash)
    launch, leaving = app.state.monitor.launch, app.state.leaving
    if launch is not None and not launch.has_begun:
        from tui_finetune.runs.removal import discard_run

        discard_run(launch.run)  # its screen was never drawn
    elif launch is not None and not leaving.ended_at_once and _goes_on(app, launch):
        name = launch.run.name
        _say(f"{name} keeps running in the background: `finetune-tui attach {name}` shows it")
        front.detach(duplicates, status)
        # Not the event loop's to do: from Python 3.12 on it waits five minutes for a thread and no longer.
        launch.wait()
    elif launch is not None and leaving.ended_at_once:
        name = launch.run.name
        _say(f"{name} was ended at once; `finetune-tui resume {name}` continues from its newest checkpoint")
    elif launch is not None:
        from tui_finetune.cli.displays import ending_lines
        from tui_finetune.runs.watch import Watch

        watch = Watch(launch.run)
        watch.poll()
        for line in ending_lines(watch):
            _say(line)
    # Threads that are still busy with an import or a download must not hold up the prompt.
    os._exit(status)


def _goes_on(app: FinetuneApp, launch: Launch) -> bool:
    """Whether the run is going on now that the app is left. One that has told its end is waited for."""
    if not launch.is_alive or not launch.has_begun:
        return False
    watched = app.state.monitor.watched
    if watched is not None and watched.run.path == launch.run.path:
        watched.poll()
        if watched.state.is_over:
            launch.wait(ENDING_SECONDS)
    return launch.is_alive


def _say(line: str) -> None:
    """A line left on the terminal: what was saved, or how to come back."""
    from tui_finetune.cli.output import write_line

    write_line(line)


class _Signals:
    """SIGTERM and SIGINT save and end; a hang-up lets go of the terminal and the run goes on.

    Plain handlers, because they also work while the event loop is held up by a terminal that nobody reads.
    """

    def __init__(self, app: FinetuneApp, duplicates: list[int]) -> None:
        self.app = app
        self.duplicates = duplicates
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self.end)
        signal.signal(signal.SIGHUP, self.hang_up)

    def _leave(self, leave: Callable[[], None], status: int) -> None:
        try:
            self.app.call_later(leave)
        except Exception:
            os._exit(status)  # The app has not begun, or is over.

    def end(self, number: int, _: FrameType | None) -> None:
        status = 128 + number
        if self.app.state.monitor.is_training:
            self.app.state.leaving.end_training(status, reason=signal.Signals(number).name)
        else:
            self._leave(lambda: self.app.exit(status), status)
        self._end_surely(status)

    def hang_up(self, *_: object) -> None:
        let_go_of_terminal(self.duplicates)
        self._leave(self.app.state.leaving.detach, 0)
        self._end_surely(0)

    def _end_surely(self, status: int) -> None:
        """End the process a while after the run, also where the app can't leave because nobody reads what it draws."""

        def work() -> None:
            launch = self.app.state.monitor.launch
            if launch is not None and launch.is_alive:
                launch.wait()
            time.sleep(ENDING_SECONDS)
            os._exit(status)

        threading.Thread(target=work, daemon=True).start()
