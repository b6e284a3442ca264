"""Training the runs of the queue, one after the other, each in a process of its own.

What becomes of a run is told by its own directory, never by the queue: a process that is killed between the end of a run
and its note in the queue looks again, and finds the end there. So every run ends once.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tui_finetune.errors import UserError
from tui_finetune.runs import checkpoints, registry
from tui_finetune.runs.directory import OccupiedError, RunDirectory
from tui_finetune.runs.naming import check_places, new_run_path
from tui_finetune.runs.queue import Queue, QueuedRun, RunnerLock, queued
from tui_finetune.runs.state import RunState
from tui_finetune.runs.summary import load_state
from tui_finetune.system.environment import installed_gpus, prepare_environment
from tui_finetune.system.files import PRIVATE_FILE
from tui_finetune.system.paths import user_path
from tui_finetune.training.launch import ProcessLaunch, launch_process
from tui_finetune.training.paths import rooted

if TYPE_CHECKING:
    from tui_finetune.config.resolve import Resolved

LOOK_SECONDS = 0.2
"""Between two looks at the runs that are going."""

MOST_SILENT_ENDS = 2
"""So often in a row a run's process may end without a word and without a new checkpoint, as where memory runs out."""

GONE = "its directory is gone"
"""The reason of the end of a run that somebody has deleted."""


@dataclass
class Going:
    """A run of the queue that is being trained.

    Attributes:
        queued: what stands in the queue of it.
        run: its directory.
        launch: its training; None where a process trains it that an earlier runner began.
        device: the place among the devices that it has.
        starts: how often it had been started before.
    """

    queued: QueuedRun
    run: RunDirectory
    launch: ProcessLaunch | None
    device: int
    starts: int

    @property
    def is_alive(self) -> bool:
        """Whether a process trains it."""
        return self.launch.is_alive if self.launch is not None else self.run.is_live


Launcher = Callable[..., ProcessLaunch]


class QueueRunner:
    """Takes the runs of a queue in their order, and trains them. The runner's lock is to be held by whoever has it.

    Args:
        queue: the queue, which others may change meanwhile.
        devices: the GPUs, as CUDA_VISIBLE_DEVICES takes them: so many runs are trained at once, each on one. '' leaves
            the choice to the run.
        on_begin: called when a run begins, or goes on.
        on_end: called when a run has ended, with what stands in the queue of it then.
        launch: starts a run.

    Attributes:
        going: the runs that are being trained.
        is_stopping: whether a stop was asked for: runs are saved, and go on when the queue is run again.
    """

    def __init__(
        self,
        queue: Queue,
        devices: Sequence[str] = ("",),
        on_begin: Callable[[Going], None] = lambda _: None,
        on_end: Callable[[QueuedRun], None] = lambda _: None,
        launch: Launcher = launch_process,
    ) -> None:
        self.going: list[Going] = []
        self.is_stopping = False
        self._queue = queue
        self._devices = devices
        self._on_begin = on_begin
        self._on_end = on_end
        self._launch = launch
        self._reason = ""
        self._asked: set[str] = set()
        self._silent_ends: dict[str, tuple[int, int]] = {}

    def step(self) -> bool:
        """See what has become of the runs that are going, and begin others in their place; whether any is going then."""
        if self.is_stopping:
            self._ask_to_stop()
        for going in list(self.going):
            if not going.is_alive:
                self.going.remove(going)
                self._see_end(going)
        while not self.is_stopping and len(self.going) < len(self._devices):
            if (queued := self._next()) is None:
                break
            self._begin(queued)
        return bool(self.going)

    def stop(self, reason: str) -> None:
        """Let the runs that are going finish their step, save and end. The queue keeps them, to go on with.

        Does as little as a signal handler may: the next `step` asks them.

        Args:
            reason: the name of the signal that asked for it.
        """
        self._reason, self.is_stopping = reason, True

    def _ask_to_stop(self) -> None:
        for going in self.going:
            if going.queued.id not in self._asked:
                self._asked.add(going.queued.id)
                going.run.request("stop", reason=self._reason)

    def end_at_once(self) -> None:
        """End what this runner began without a save."""
        self.is_stopping = True
        for going in self.going:
            if going.launch is not None:
                going.launch.end_at_once()

    def _next(self) -> QueuedRun | None:
        """A run that an earlier runner left, or the first that waits."""
        taken = {going.queued.id for going in self.going}
        runs = [run for run in self._queue.runs() if run.id not in taken]
        return next((run for state in ("started", "waiting") for run in runs if run.state == state), None)

    def _begin(self, queued: QueuedRun) -> None:
        try:
            run = self._directory(queued)
            if run is None:
                return
            state = load_state(run, brief=True)
            if not run.is_live and _has_ended(state):
                self._end(queued, state.status, state.reason)
                return
            used = {going.device for going in self.going}
            device = next(place for place in range(len(self._devices)) if place not in used)
            launch = None if run.is_live else self._start(queued, run, device)
            going = Going(queued, run, launch, device, state.starts if launch is not None else -1)
        except UserError as error:
            self._end(queued, "failed", error.message)
            return
        self.going.append(going)
        self._on_begin(going)

    def _start(self, queued: QueuedRun, run: RunDirectory, device: int) -> ProcessLaunch:
        resolved, changes = queued.resolved(), dict[str, object]()
        if can_be_resumed(run):
            # The run itself doesn't keep it: a program is only ever started for whoever named it.
            changes = {"notify_command": command} if (command := resolved.config.notify_command) else {}
        name = self._devices[device]
        environment: Mapping[str, str] = {"CUDA_VISIBLE_DEVICES": name} if name else {}
        launch = self._launch(run, None if can_be_resumed(run) else resolved, changes, environment)
        launch.begin()
        return launch

    def _directory(self, queued: QueuedRun) -> RunDirectory | None:
        """The directory of a run, made where it isn't there; None where the run is no longer in the queue.

        Its place is written down before it is made, and its marker has the id that the queue knows: whenever this is cut
        short, the next try finds out what was done.

        Raises:
            UserError: it can't be made.
        """
        if (run := self._find(queued)) is not None:
            known = self._queue.change(queued.id, state="started", run=str(run.path))
            return run if known is not None else None
        if queued.state == "started":
            self._end(queued, "failed", GONE)
            return None
        config = queued.resolved().config
        while True:
            run = RunDirectory(new_run_path(config, Path(queued.folder)))
            if self._queue.change(queued.id, run=str(run.path)) is None:
                return None
            try:
                check_places(run, config)
                run.create(queued.id)
            except OccupiedError:
                if config.output_dir is not None:
                    raise
                continue
            registry.note(run)
            self._queue.change(queued.id, state="started")
            return run

    def _find(self, queued: QueuedRun) -> RunDirectory | None:
        """The directory that was made for a run, also where it was given another name."""
        if not queued.run:
            return None
        there = RunDirectory(Path(queued.run))
        if there.id == queued.id:
            return there
        return next((run for run in registry.known_runs(Path(queued.folder)) if run.id == queued.id), None)

    def _see_end(self, going: Going) -> None:
        state = load_state(going.run, brief=True)
        has_told = state.is_over and state.starts > going.starts
        if has_told and not (self.is_stopping and state.status == "stopped"):
            self._end(going.queued, state.status, state.reason)
        elif not self.is_stopping and self._is_hopeless(going):
            reason = f"its process ended without a word at step {state.step:,}; see {going.run.log_path}"
            self._end(going.queued, "failed", reason)
        # Else it is still in the queue as started, and is the next to be gone on with.

    def _is_hopeless(self, going: Going) -> bool:
        """Whether its process has ended without a word too often since it last saved anything."""
        saved = checkpoints.committed(going.run.checkpoints_dir)
        step = checkpoints.step_of(saved[-1]) if saved else 0
        before, count = self._silent_ends.get(going.queued.id, (-1, 0))
        self._silent_ends[going.queued.id] = step, count + 1 if step == before else 1
        return self._silent_ends[going.queued.id][1] >= MOST_SILENT_ENDS

    def _end(self, queued: QueuedRun, status: str, reason: str) -> None:
        ended = self._queue.change(queued.id, state="ended", status=status, reason=reason)
        if ended is not None:
            self._on_end(ended)


def can_be_resumed(run: RunDirectory) -> bool:
    """Whether something of a run is saved. Where nothing is, it begins again, as if it had never been started."""
    return bool(checkpoints.committed(run.checkpoints_dir))


def _has_ended(state: RunState) -> bool:
    """Whether a run that an earlier runner left has ended for good; one that a signal stopped goes on."""
    return state.is_over and not (state.status == "stopped" and state.stop_reason.startswith("SIG"))


def queued_here(resolved: Resolved, varied: Mapping[str, str] | None = None, sweep: str = "") -> QueuedRun:
    """A configuration as a run for the queue, its relative paths those of the current directory.

    Args:
        resolved: the configuration.
        varied: as for `QueuedRun`.
        sweep: likewise.

    Raises:
        UserError: its directory is taken, or can't be the one of a run.
    """
    config = rooted(resolved.config)
    if config.output_dir is not None:
        run = RunDirectory(user_path(config.output_dir, "output_dir").absolute())
        check_places(run, config)
        config = config.model_copy(update={"output_dir": str(run.path)})
    return queued(replace(resolved, config=config), Path.cwd(), varied, sweep)


def devices_for(at_once: int | None = None) -> tuple[str, ...]:
    """The devices for a `QueueRunner`: by default as many as there are GPUs, those in CUDA_VISIBLE_DEVICES where that is set.

    Args:
        at_once: how many runs are wanted at once; None leaves it to the GPUs.

    Raises:
        UserError: more are wanted at once than there are GPUs.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    gpus = [gpu.id for gpu in installed_gpus()] if visible is None else [name for name in visible.split(",") if name]
    if at_once is not None and gpus and at_once > len(gpus):
        raise UserError(
            f"there {'is one GPU' if len(gpus) == 1 else f'are {len(gpus)} GPUs'} here", "leave --at_once out"
        )
    count = at_once or max(len(gpus), 1)
    return tuple(gpus[:count]) if count > 1 and gpus else ("",) * count


def start_runner(queue: Queue) -> None:
    """Run the queue in a process of its own, which goes on when this one ends.

    Raises:
        UserError: it is being run already, or its log can't be written.
    """
    with RunnerLock(queue):
        pass
    try:
        log = os.open(
            queue.log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, PRIVATE_FILE
        )
    except OSError as error:
        raise UserError(f"{queue.log_path}: {error.strerror}", "free some space, or check its permissions") from None
    try:
        subprocess.Popen(
            [sys.executable, "-m", "tui_finetune.training.queue", str(queue.path)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    finally:
        os.close(log)


def main(arguments: Sequence[str]) -> int:
    """Run the queue in that file without showing anything; the exit status is 0, or 2 where it is being run already."""
    prepare_environment()
    queue = Queue(Path(arguments[0]))
    try:
        with RunnerLock(queue):
            runner = QueueRunner(queue, devices_for())
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda number, _: runner.stop(signal.Signals(number).name))
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            while runner.step():
                time.sleep(LOOK_SECONDS)
    except UserError as error:
        print(f"error: {error.message}\nhint: {error.remedy}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
