"""A process that trains one run: `python -m tui_finetune.training.worker RUN`.

What to do comes on standard input, as `launch.ProcessLaunch` writes it: the configuration of a new run, or that the run
is to be resumed, with changes. Without it, as under a launcher of somebody else's, the run in the directory is trained by
its own configuration, and resumed where it has begun.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from types import FrameType

from tui_finetune.config.resolve import Resolved, make_config
from tui_finetune.errors import UserError
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.system.environment import prepare_environment
from tui_finetune.training.session import TrainingSession


def main(arguments: list[str]) -> int:
    """Train the run and return the exit status: 0 when done, 1 when it failed, 2 when it can't be trained."""
    if len(arguments) != 1:
        print("usage: python -m tui_finetune.training.worker RUN", file=sys.stderr)
        return 2
    prepare_environment()
    run = RunDirectory(Path(arguments[0]).absolute())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: _stop(run, number, _))
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        return {"finished": 0, "stopped": 0, "failed": 1}[_session(run, _order()).run().status]
    except UserError as error:
        print(f"error: {error.message}\nhint: {error.remedy}", file=sys.stderr)
        return 2


def _stop(run: RunDirectory, number: int, _: FrameType | None) -> None:
    run.request("stop", reason=signal.Signals(number).name)


def _order() -> Mapping[str, object]:
    if sys.stdin is None or sys.stdin.isatty():
        return {}
    text = sys.stdin.read()
    content = json.loads(text) if text.strip() else {}
    return content if isinstance(content, dict) else {}


def _session(run: RunDirectory, order: Mapping[str, object]) -> TrainingSession:
    config, changes = order.get("config"), order.get("changes")
    if isinstance(config, dict):
        return TrainingSession(Resolved(make_config(config), preset=str(order.get("preset", "default"))), run)
    if order.get("resume") or run.events_path.exists():
        return TrainingSession.resume(run, changes if isinstance(changes, dict) else {})
    return TrainingSession(run.read_config(), run)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
