"""The process that starts the processes of a run and starts them again: `python -m tui_finetune.training.agent RUN`.

It is torch's elastic agent, the one behind torchrun. What to do comes on standard input, as `launch.ProcessLaunch` writes it,
and is handed on to the workers. It has the run's launch.lock from its first moment on; the lock is free when it ends.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tui_finetune.config.resolve import make_config
from tui_finetune.config.schema import RunConfig
from tui_finetune.errors import UserError
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.events import StatusEvent
from tui_finetune.runs.lock import is_held
from tui_finetune.runs.log import EventLog
from tui_finetune.runs.result import RunResult
from tui_finetune.runs.summary import load_state
from tui_finetune.system.environment import prepare_environment
from tui_finetune.training.rank_failures import AGENT, ENDED, RankFailure, failure_words, forget, note, noted
from tui_finetune.training.resume import changed_config
from tui_finetune.training.worker import ORDER, TIMEOUT

if TYPE_CHECKING:
    from torch.distributed.elastic.agent.server.api import RunResult as AgentResult
    from torch.distributed.elastic.agent.server.api import WorkerSpec
    from torch.distributed.elastic.agent.server.local_elastic_agent import LocalElasticAgent

PORT = 29500
"""By which several machines find each other, as torch's launchers have it."""

_SECONDS_TO_JOIN = 900
_LOOK_SECONDS = 0.1


def main(arguments: list[str]) -> int:
    """Train the run and return the exit status: 0 when done, 1 when it failed."""
    return train(RunDirectory(Path(arguments[0]).absolute()), json.loads(sys.stdin.read()))


def train(run: RunDirectory, order: Mapping[str, object]) -> int:
    """Train the run with the processes of this machine and return the exit status.

    Args:
        run: its directory.
        order: what to do, as `launch.ProcessLaunch` writes it. Only that of machine 0 counts.
    """
    prepare_environment()
    config = _config(run, order)
    machines = config.num_machines
    here = (config.num_processes or 1) // machines
    os.environ.update(
        {ORDER: json.dumps(order), TIMEOUT: str(config.ddp_timeout), AGENT: "1"}
        # The agent's store must not be that of the processes, or they can't find each other when they are started again.
        | {"TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}
    )
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, _cores() // here)))
    if config.machine_rank == 0:
        forget(run)
    status = _train(run, config, here)
    if config.machine_rank == 0:
        _tell_end(run, config.num_processes or 1)
    return status


def _config(run: RunDirectory, order: Mapping[str, object]) -> RunConfig:
    config, changes = order.get("config"), order.get("changes")
    if isinstance(config, dict):
        return make_config(config)
    return changed_config(run, changes if isinstance(changes, dict) else {})


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _train(run: RunDirectory, config: RunConfig, here: int) -> int:
    from torch.distributed.elastic.agent.server.api import WorkerSpec
    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.rendezvous import RendezvousParameters, registry

    several = config.num_machines > 1
    port = config.main_process_port or (PORT if several else 0)
    machines = config.num_machines
    if several:
        endpoint = f"{config.main_process_ip}:{port}"
        parameters = RendezvousParameters(
            "static",
            endpoint,
            run.id or run.name,
            machines,
            machines,
            rank=config.machine_rank,
            timeout=_SECONDS_TO_JOIN,
        )
    else:
        parameters = RendezvousParameters(
            "c10d", f"localhost:{port}", uuid.uuid4().hex, machines, machines, timeout=_SECONDS_TO_JOIN
        )
    spec = WorkerSpec(
        role="rank",
        local_world_size=here,
        entrypoint=sys.executable,
        args=("-m", "tui_finetune.training.worker", str(run.path), "--ordered"),
        rdzv_handler=registry.get_rendezvous_handler(parameters),
        max_restarts=config.max_restarts,
        monitor_interval=_LOOK_SECONDS,
        master_addr=config.main_process_ip if several else "127.0.0.1",
        master_port=port if several else None,
        local_addr=None if several else "127.0.0.1",
    )
    agent = _agent(spec, run)
    try:
        return int(agent.run().is_failed())
    except SignalException as error:
        return 128 + int(error.sigval)
    finally:
        spec.rdzv_handler.shutdown()


def _agent(spec: WorkerSpec, run: RunDirectory) -> LocalElasticAgent:
    from torch.distributed.elastic.agent.server.api import WorkerGroup
    from torch.distributed.elastic.agent.server.local_elastic_agent import LocalElasticAgent
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs

    class Agent(LocalElasticAgent):
        """Writes down how a process ended that could not say it itself."""

        def _monitor_workers(self, worker_group: WorkerGroup) -> AgentResult:
            result: AgentResult = super()._monitor_workers(worker_group)
            if result.is_failed():
                known = {failure.rank for failure in noted(run)}
                for rank, failure in result.failures.items():
                    if rank not in known:
                        note(run, RankFailure(rank, f"{ENDED} {_how(failure.exitcode)}", time=float(failure.timestamp)))
            return result

    return Agent(spec, DefaultLogsSpecs())


def _how(status: int) -> str:
    """How a process ended that said nothing."""
    if status >= 0:
        return f"with exit status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    return f"by {name}" + (", as Linux does where memory runs out" if -status == signal.SIGKILL else "")


def _tell_end(run: RunDirectory, size: int) -> None:
    """Where no process of the run was left to say how it ended, say it."""
    if is_held(run.lock_path) or load_state(run, brief=True).is_over:
        return
    try:
        log = EventLog(run.events_path)
    except OSError:
        return
    error: UserError = failure_words(run, size)
    log.write(StatusEvent.ending(RunResult("failed", began=True).failed(error)))
    log.close()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
