"""Opening the app: the terminal checked and kept, signals, and what becomes of a run when the app is left."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tui_finetune.errors import UserError
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.registry import state_dir
from tui_finetune.system.background import Front, let_go_of_terminal, run_detachable
from tui_finetune.system.files import PRIVATE_DIRECTORY
from tui_finetune.system.terminal import is_terminal, over_ssh

if TYPE_CHECKING:
    from tui_finetune.app import FinetuneApp


def open_app(run: RunDirectory | None = None) -> int:
    """Open the app, on a run if one is given, and return the exit status."""
    if not is_terminal() or os.environ.get("TERM", "dumb") == "dumb":
        raise UserError("the app needs a terminal", "without one, use `finetune-tui train` (see its --help)")
    if over_ssh():
        # Animations cost bytes and show nothing over a slow line.
        os.environ.setdefault("TEXTUAL_ANIMATIONS", "none")
        os.environ.setdefault("TEXTUAL_FPS", "15")
    return run_detachable(lambda front: _run_app(front, run))


def _log_path() -> Path | None:
    """Where what libraries print goes while no run is going."""
    try:
        state_dir().mkdir(mode=PRIVATE_DIRECTORY, parents=True, exist_ok=True)
    except OSError:
        return Path(os.devnull)
    return state_dir() / "app.log"


def _run_app(front: Front, run: RunDirectory | None) -> int:
    from tui_finetune.system.output import keep_terminal, output_to

    duplicates = keep_terminal()
    log_path = _log_path()
    assert log_path is not None
    from tui_finetune.app import FinetuneApp

    app = FinetuneApp(run=run, log_path=log_path)
    _Signals(app, duplicates)
    with output_to(log_path):
        return asyncio.run(_until_over(app, front, duplicates))


async def _until_over(app: FinetuneApp, front: Front, duplicates: list[int]) -> int:
    """Run the app; afterwards end the process, or let it go on in the background with its run."""
    status = await app.run_async()
    if not app.training_here or app.ended_at_once:
        # Threads that are still busy with an import or a download must not hold up the prompt.
        _say_goodbye(app)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status or app.return_code or 0)
    _say_goodbye(app)
    front.detach(duplicates)
    # Closing the event loop waits for the training thread.
    return 0


def _say_goodbye(app: FinetuneApp) -> None:
    """A line or two left on the terminal: what was saved, or how to come back."""
    from tui_finetune.console.displays import ending_lines
    from tui_finetune.console.output import write_line

    if app.watched is None:
        return
    name = app.watched.run.name
    if app.training_here and not app.ended_at_once:
        write_line(f"{name} goes on in the background: `finetune-tui attach {name}` watches it")
        return
    app.watched.poll()
    if app.ended_at_once:
        write_line(f"{name} was ended at once; `finetune-tui resume {name}` goes on from its newest checkpoint")
    elif app.trained_here and app.watched.state.is_over:
        for line in ending_lines(app.watched):
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

    def _exit(self, status: int) -> None:
        try:
            self.app.call_later(self.app.exit, status)
        except Exception:
            os._exit(status)

    def end(self, number: int, _: Any) -> None:
        status = 128 + number
        if self.app.training_here and self.app.watched is not None:
            self.app.watched.run.request("stop", reason=signal.Signals(number).name)
            self.app.leave_when_over(status)
        else:
            self._exit(status)

    def hang_up(self, *_: Any) -> None:
        let_go_of_terminal(self.duplicates)
        self._exit(0)
