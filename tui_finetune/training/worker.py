"""A process that trains a run, alone or as one of several: `python -m tui_finetune.training.worker RUN`.

With --ordered, what to do comes on standard input, as `launch.ProcessLaunch` writes it, or in the variable ORDER, as
`agent.py` hands it on: the configuration of a new run, or that the run is to be resumed, with changes. Without it, as under
a launcher of somebody else's, the run in the directory is trained by its own configuration, and resumed where it has begun.

It is one of several where a launcher has set WORLD_SIZE, RANK, LOCAL_RANK, MASTER_ADDR and MASTER_PORT. All that is told
goes to the event log, which the first one writes; what libraries print goes where descriptors 1 and 2 lead.
"""

from __future__ import annotations

import json
import os
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
from tui_finetune.system.environment import prepare_environment, several_here
from tui_finetune.system.parent import end_with_parent
from tui_finetune.training.rank_failures import Ended, attempt_of
from tui_finetune.training.ranks import Group, Ranks
from tui_finetune.training.session import TrainingSession

ORDER = "FINETUNE_TUI_ORDER"
"""The variable with what to do, for one of several processes."""

TIMEOUT = "FINETUNE_TUI_TIMEOUT"
"""The variable with the seconds that one process waits for another."""

Order = Mapping[str, object]


def main(arguments: list[str]) -> int:
    """Train the run and return the exit status: 0 when done, 1 when it failed, 2 when it can't be trained."""
    if len(arguments) not in (1, 2) or arguments[1:] not in ([], ["--ordered"]):
        print("usage: python -m tui_finetune.training.worker RUN [--ordered]", file=sys.stderr)
        return 2
    prepare_environment()
    order = json.loads(os.environ.get(ORDER) or sys.stdin.read()) if arguments[1:] else {}
    return train(RunDirectory(Path(arguments[0]).absolute()), order)


def train(run: RunDirectory, order: Order, new: Resolved | None = None) -> int:
    """Train a run as one process of as many as the launcher has made, and return the exit status.

    Args:
        run: its directory.
        order: what to do, as above.
        new: the configuration that a run is made of where there is none in the directory.
    """
    told_to_end = _Signals(run)
    keep_freed_memory()
    try:
        ranks = _ranks(run, new)
        told_to_end.ranks = ranks
        with ranks.together():
            session = _session(run, order, ranks, new) if ranks.is_first else None
        session = _joined(session, run, ranks)
        status = session.run().status
    except UserError as error:
        print(f"error: {error.message}\nhint: {error.remedy}", file=sys.stderr)
        return 0 if attempt_of().by_agent else 2
    except Ended as error:
        print(f"error: {error}", file=sys.stderr)
        return 0 if attempt_of().by_agent and not error.again else 1
    # What would fail again is not to be started again; whoever looks at the run's last status knows that it has failed.
    return 0 if status != "failed" or attempt_of().by_agent else 1


class _Signals:
    """SIGTERM and SIGINT: save and end. Of several processes the one that gets it says so to the others after the step."""

    def __init__(self, run: RunDirectory) -> None:
        self.ranks: Ranks | None = None
        self._run = run
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        if several_here():
            end_with_parent()

    def _stop(self, number: int, _: FrameType | None) -> None:
        if not several_here():
            self._run.request("stop", reason=signal.Signals(number).name)
        elif self.ranks is not None:
            self.ranks.told_to_end = True
        else:
            raise SystemExit(128 + number)


def _ranks(run: RunDirectory, new: Resolved | None) -> Ranks:
    if not several_here():
        return Ranks()
    from tui_finetune.system.libraries import import_libraries

    seconds = os.environ.get(TIMEOUT)
    if seconds is None:
        try:
            seconds = str((new.config if new is not None else run.read_config()).ddp_timeout)
        except UserError:
            seconds = "1800"
    import_libraries("torch")
    return Group(float(seconds))


def _joined(session: TrainingSession | None, run: RunDirectory, ranks: Ranks) -> TrainingSession:
    """The session of each process, by what the first knows."""
    given = ranks.share((session.resolved, session.resuming, session.changes) if session is not None else None)
    assert given is not None
    if session is None:
        resolved, resuming, changes = given
        session = TrainingSession(resolved, run, resuming=resuming, ranks=ranks)
        session.changes = changes
    return session


def _session(run: RunDirectory, order: Order, ranks: Ranks, new: Resolved | None) -> TrainingSession:
    changes = order.get("changes")
    again = attempt_of().number > 0 and run.config_path.exists()
    if (ordered := resolved_of(order)) is not None and not again:
        session = TrainingSession(ordered, run, again=bool(order.get("again")), ranks=ranks)
    elif order.get("resume") or again or run.events_path.exists():
        session = TrainingSession.resume(run, changes if isinstance(changes, dict) else {}, ranks)
    elif new is not None and not run.config_path.exists():
        run.create()
        session = TrainingSession(new, run, ranks=ranks)
    else:
        session = TrainingSession(run.read_config(), run, ranks=ranks)
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
