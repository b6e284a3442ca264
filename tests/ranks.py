"""A launcher for tests: starts the processes of a run with the five variables, as any launcher does, without the seconds
that imports take."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.programs import Programs, Running
from tui_finetune.runs.directory import RunDirectory

AT_STEP = """
import os
from tui_finetune.training import build
from tui_finetune.training.callback import RunCallback

class Watcher(RunCallback):
    def on_step_begin(self, args, state, control, **kwargs):
        run, step, rank = self._requests._run, state.global_step + 1, int(os.environ.get("RANK", 0))
        {body}

build.RunCallback = Watcher
"""


def at_step(step: int, what: str, rank: int = 0) -> str:
    """Code for a process: when that step begins on that rank, something is done; `run` is the run.

    What is asked for in the middle of a step is seen at its end.
    """
    return AT_STEP.format(body=f"if step == {step} and rank == {rank}: {what}")


def free_port() -> int:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        return int(asked.getsockname()[1])


@dataclass
class Ranks:
    """The processes of a run."""

    run: RunDirectory
    processes: list[Running]

    def wait(self) -> list[int]:
        """Wait for their ends; their exit statuses."""
        return [process.wait().status for process in self.processes]

    def words(self) -> str:
        """What they wrote on standard error, and the end of the run's log."""
        told = "".join(process._err.read_text(errors="replace") for process in self.processes)
        log = self.run.log_path.read_text(errors="replace")[-2000:] if self.run.log_path.exists() else ""
        return told + log


def start_ranks(
    programs: Programs,
    size: int,
    run: Path,
    *arguments: str,
    before: str = "",
    environment: Mapping[str, str] | None = None,
) -> Ranks:
    """Start the processes of a run, in the directory that it lies in.

    Args:
        programs: starts them.
        size: how many.
        run: its directory.
        arguments: settings, for a new run.
        before: Python code that runs first in each.
        environment: what else is in the environment of each.
    """
    address = {"WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    started = [
        programs.start(
            "train",
            "--worker",
            str(run),
            *arguments,
            folder=run.parent,
            before=before,
            environment={**address, "RANK": str(rank), "LOCAL_RANK": str(rank), **(environment or {})},
        )
        for rank in range(size)
    ]
    return Ranks(RunDirectory(run), started)
