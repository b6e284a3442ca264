"""Starting a run: in a thread of this process, or in a process of its own. Whoever starts one sees no difference."""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from tui_finetune.config.steps import processes_of
from tui_finetune.errors import UserError
from tui_finetune.models.tasks import check_task
from tui_finetune.runs.control import drop, left
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.lock import is_held
from tui_finetune.runs.result import RunResult
from tui_finetune.system.environment import choose_gpus
from tui_finetune.system.files import PRIVATE_FILE
from tui_finetune.system.output import output_to

if TYPE_CHECKING:
    from tui_finetune.config.resolve import Resolved


class Launch(Protocol):
    """A training that this program starts. What is asked of the run from its making on is obeyed."""

    @property
    def run(self) -> RunDirectory:
        """The run."""

    @property
    def is_alive(self) -> bool:
        """Whether it is still to begin, or trains."""

    @property
    def has_begun(self) -> bool:
        """Whether it was begun."""

    @property
    def result(self) -> RunResult | None:
        """How it ended; None while it hasn't, and where it ended without a word."""

    @property
    def failure(self) -> BaseException | None:
        """What kept it from training at all, or a bug."""

    def begin(self) -> None:
        """Begin, once; called again it does nothing."""

    def stop(self, reason: str = "") -> None:
        """Ask it to finish the step, save and end."""

    def end_at_once(self) -> None:
        """End it without a save, where it has processes of its own; of this process only its end ends it."""

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for its end, at most so long; whether it has ended."""


class ThreadLaunch:
    """A run in a thread of this process.

    Args:
        run: its directory, made already.
        resolved: the configuration of a new run; None to resume what is there.
        changes: settings that are to be others when it is resumed.
        own_output: whether what is printed here meanwhile is the run's, and goes into its log.

    Raises:
        UserError: it can't be resumed: its settings can't be read, a change would make another run of it, or nothing is
            left to do.
    """

    def __init__(
        self, run: RunDirectory, resolved: Resolved | None, changes: Mapping[str, object], *, own_output: bool
    ) -> None:
        from tui_finetune.training.session import TrainingSession

        self.run = run
        self.result: RunResult | None = None
        self.failure: BaseException | None = None
        self._session = TrainingSession.resume(run, changes) if resolved is None else TrainingSession(resolved, run)
        self._own_output = own_output
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def is_alive(self) -> bool:
        return not self._over.is_set()

    @property
    def has_begun(self) -> bool:
        return self._thread is not None

    def begin(self) -> None:
        if self._thread is None:
            # A daemon: a process that is ended at once doesn't wait for it.
            self._thread = threading.Thread(target=self._work, name=f"training {self.run.name}", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        try:
            with output_to(self.run.log_path) if self._own_output else contextlib.nullcontext():
                self.result = self._session.run()
        except UserError as error:
            self.failure = error
        except BaseException as error:
            logging.getLogger(__name__).exception("the training ended with an error")
            self.failure = error
        finally:
            self._over.set()

    def stop(self, reason: str = "") -> None:
        self.run.request("stop", reason=reason)

    def end_at_once(self) -> None:
        """Nothing: it ends with this process."""

    def wait(self, seconds: float | None = None) -> bool:
        return self._over.wait(seconds)


class ProcessLaunch:
    """A run in a process of its own, which leads a session: neither a signal to this one's group nor the end of its
    terminal reaches it. Its output goes into the run's log.

    It holds the run's launch.lock from its first moment to its last, so that the run is known to be live also while the
    libraries are being imported, and is found again by whoever comes later.

    Args:
        run, resolved, changes: as for `ThreadLaunch`. A new run in whose directory a start of it was killed begins again.
        environment: what is other than here in the environment of the process.

    Raises:
        UserError: it can't be resumed.
    """

    def __init__(
        self,
        run: RunDirectory,
        resolved: Resolved | None,
        changes: Mapping[str, object],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        from tui_finetune.training.resume import changed_config

        config = None
        if resolved is not None:
            # A process that is given a device of its own, as in a queue, is alone on it.
            number = resolved.config.num_processes or (1 if environment else processes_of(resolved.config))
            config = resolved.config.model_copy(update={"num_processes": number})
            resolved = replace(resolved, config=config)
        if resolved is None:
            if not run.is_live:  # one that is being trained is refused when it begins
                config = changed_config(run, changes)  # what can't be resumed is refused here
            order: dict[str, object] = {"resume": True, "changes": dict(changes)}
        else:
            order = order_of(resolved) | {"again": run.events_path.exists()}
        self.run = run
        self.failure: BaseException | None = None
        self._processes = processes_of(config) if config is not None else 1
        self._machines = config.num_machines if config is not None else 1
        gpus = config.gpus if config is not None else None
        chosen = None if environment else choose_gpus(self._processes // self._machines, gpus)
        self._environment = {
            **os.environ,
            **({"CUDA_VISIBLE_DEVICES": chosen} if chosen else {}),
            **(environment or {}),
        }
        self._order = json.dumps(order)
        self._left_before = left(run.control_dir)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def is_alive(self) -> bool:
        return self._process is None or self._process.poll() is None

    @property
    def has_begun(self) -> bool:
        return self._process is not None

    @property
    def result(self) -> RunResult | None:
        from tui_finetune.runs.summary import load_state

        if self.is_alive:
            return None
        state = load_state(self.run, brief=True)
        return state.result if state.is_over else None

    @property
    def pid(self) -> int | None:
        """The process that trains, once it has begun."""
        return self._process.pid if self._process else None

    def begin(self) -> None:
        """Begin, once.

        Raises:
            UserError: another process trains the run, or its directory can't be written to.
        """
        if self._process is not None:
            return
        lock = _take_launch_lock(self.run)
        # Requests to an earlier start mean nothing to this one; the worker obeys all that it finds.
        drop(self.run.control_dir, self._left_before)
        log = os.open(self.run.log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, PRIVATE_FILE)
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *self._module, "--ordered"],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=(lock,),
                env=self._environment,
            )
        finally:
            # The lock is the other process's now: it is free when the last copy of the descriptor is closed.
            os.close(lock)
            os.close(log)
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(self._order.encode())
            self._process.stdin.close()

    @property
    def _module(self) -> tuple[str, str]:
        name = "worker" if self._processes == 1 else "agent"
        return f"tui_finetune.training.{name}", str(self.run.path)

    def stop(self, reason: str = "") -> None:
        self.run.request("stop", reason=reason)

    def end_at_once(self) -> None:
        """End it without a save. Only what is committed counts, so nothing saved is harmed."""
        if self._process is not None and self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def wait(self, seconds: float | None = None) -> bool:
        if self._process is None:
            return False
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True


def launch(
    run: RunDirectory,
    resolved: Resolved | None = None,
    changes: Mapping[str, object] | None = None,
    *,
    own_output: bool = True,
) -> Launch:
    """A run as its settings want it, to be begun: one process in a thread of this one, several in processes of their own.
    Arguments as for `ThreadLaunch`."""
    if resolved is not None:
        resolved = with_processes(resolved)
        config = resolved.config
    elif run.is_live:  # it is refused when it begins
        return ThreadLaunch(run, None, changes or {}, own_output=own_output)
    else:
        from tui_finetune.training.resume import changed_config

        config = changed_config(run, changes or {})
    if processes_of(config) > 1 or config.gpus is not None:
        return ProcessLaunch(run, resolved, changes or {})
    return ThreadLaunch(run, resolved, changes or {}, own_output=own_output)


def with_processes(resolved: Resolved) -> Resolved:
    """The same with the number of processes decided, where nobody has said it.

    Raises:
        UserError: it doesn't suit the machines.
    """
    config = resolved.config
    number, machines = processes_of(config), config.num_machines
    if machines > 1 and config.main_process_ip is None:
        raise UserError(
            f"{machines} machines are to train together, but not how they find each other",
            "set main_process_ip to the address of machine 0",
            "main_process_ip",
        )
    config = config.model_copy(update={"num_processes": number})
    if number > 1:
        check_task(config)
    if number % machines:
        raise UserError(
            f"{number} processes can't be shared equally by {machines} machines",
            f"set num_processes to a multiple of {machines}",
            "num_processes",
        )
    return replace(resolved, config=config)


def join_machine_0(run: RunDirectory, resolved: Resolved) -> int:
    """Give a run that machine 0 leads the processes of this machine, until it is over, and return the exit status.

    Args:
        run: its directory, which both share. It is waited for.
        resolved: the same settings as on machine 0, but for machine_rank.
    """
    from tui_finetune.training.agent import train

    config = with_processes(resolved).config
    while not run.is_marked:
        time.sleep(_JOIN_SECONDS)
    gpus = choose_gpus(processes_of(config) // config.num_machines, config.gpus)
    if gpus is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpus
    with output_to(run.log_path):
        return train(run, {"config": config.model_dump()})


_JOIN_SECONDS = 0.5
"""How often it is looked whether machine 0 has made the run."""


def order_of(resolved: Resolved) -> dict[str, object]:
    """A configuration, as it is handed to another process."""
    return {"config": resolved.config.model_dump(), "preset": resolved.preset, "origins": dict(resolved.origins)}


def launch_in_thread(
    run: RunDirectory,
    resolved: Resolved | None = None,
    changes: Mapping[str, object] | None = None,
    *,
    own_output: bool = True,
) -> ThreadLaunch:
    """A run in a thread of this process, to be begun; arguments as for `ThreadLaunch`."""
    return ThreadLaunch(run, resolved, changes or {}, own_output=own_output)


def launch_process(
    run: RunDirectory,
    resolved: Resolved | None = None,
    changes: Mapping[str, object] | None = None,
    environment: Mapping[str, str] | None = None,
) -> ProcessLaunch:
    """A run in a process of its own, to be begun; arguments as for `ProcessLaunch`."""
    return ProcessLaunch(run, resolved, changes or {}, environment)


def _take_launch_lock(run: RunDirectory) -> int:
    """A descriptor that holds the run's launch.lock, to be passed on to the process that trains."""
    try:
        descriptor = os.open(run.launch_lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, PRIVATE_FILE)
    except OSError as error:
        raise UserError(f"{run.path}: {error.strerror}", "the run's directory must be there and writable") from None
    try:
        if is_held(run.lock_path) or is_held(run.path):
            raise BlockingIOError
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise UserError(
            f"{run.name} is being trained already",
            f"`finetune-tui attach {run.name}` watches it, `finetune-tui stop {run.name}` ends it",
        ) from None
    return descriptor
