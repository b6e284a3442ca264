"""A process that trains one run: `python -m tui_finetune.training.worker RUN`.

With --ordered, what to do comes on standard input, as `launch.ProcessLaunch` writes it: the configuration of a new run, or
that the run is to be resumed, with changes. Without it, as under a launcher of somebody else's, the run in the directory
is trained by its own configuration, and resumed where it has begun. All that is told goes to the event log; what
libraries print goes where descriptors 1 and 2 lead.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import FrameType

from tui_finetune.config.resolve import Resolved, make_config, set_by_somebody
from tui_finetune.errors import UserError
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.system.allocator import keep_freed_memory
from tui_finetune.system.environment import prepare_environment
from tui_finetune.training.session import TrainingSession


def main(arguments: list[str]) -> int:
    """Train the run and return the exit status: 0 when done, 1 when it failed, 2 when it can't be trained."""
    if len(arguments) not in (1, 2) or arguments[1:] not in ([], ["--ordered"]):
        print("usage: python -m tui_finetune.training.worker RUN [--ordered]", file=sys.stderr)
        return 2
    prepare_environment()
    run = RunDirectory(Path(arguments[0]).absolute())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: _stop(run, number, _))
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    keep_freed_memory()
    try:
        order = json.loads(sys.stdin.read()) if arguments[1:] else {}
        return {"finished": 0, "stopped": 0, "failed": 1}[_session(run, order).run().status]
    except UserError as error:
        print(f"error: {error.message}\nhint: {error.remedy}", file=sys.stderr)
        return 2


def _stop(run: RunDirectory, number: int, _: FrameType | None) -> None:
    run.request("stop", reason=signal.Signals(number).name)


def _session(run: RunDirectory, order: Mapping[str, object]) -> TrainingSession:
    changes = order.get("changes")
    if (ordered := resolved_of(order)) is not None:
        session = TrainingSession(ordered, run, again=bool(order.get("again")))
    elif order.get("resume") or run.events_path.exists():
        session = TrainingSession.resume(run, changes if isinstance(changes, dict) else {})
    else:
        session = TrainingSession(run.read_config(), run)
    if order:
        session.left_before = frozenset()  # the launcher has seen to those: what there is now was asked of this start
    return session


def resolved_of(order: Mapping[str, object]) -> Resolved | None:
    """The configuration in an order, as `launch.order_of` makes it; None where there is none in it."""
    config, origins, preset = order.get("config"), order.get("origins"), str(order.get("preset", "default"))
    if not isinstance(config, dict):
        return None
    whole = set_by_somebody(make_config(config))
    if isinstance(origins, dict):
        whole = Resolved(whole.config, origins)
    return replace(whole, preset=preset)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
