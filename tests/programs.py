"""The program in processes of its own, without the seconds that its imports take each time.

One process imports the heavy libraries and computes nothing; for each command it forks, and the child is the program, as
if it had just been started: its arguments, directory, environment, output and exit status, and a process to send signals
to.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.environment import hide_trackers, without_foreign

ROOT = Path(__file__).parents[1]
PATIENCE = 180.0
"""Seconds that anything is waited for. Only a failing test waits that long."""


@dataclass
class Done:
    """A command that has ended; a status above 128 is that of a signal."""

    status: int
    out: str
    err: str

    @property
    def words(self) -> list[str]:
        """The first word of each line on standard error."""
        return [line.split(":")[0] for line in self.err.splitlines()]


class Running:
    """A command that is going, in a process group of its own."""

    def __init__(self, programs: Programs, pid: int, out: Path, err: Path) -> None:
        self._programs = programs
        self.pid = pid
        self._out, self._err = out, err

    @property
    def out(self) -> str:
        """What it has written to standard output so far."""
        return self._out.read_text(errors="replace")

    def says(self, words: str) -> bool:
        """Whether it has written that to standard output."""
        return words in self.out

    def send(self, number: int, *, group: bool = False) -> None:
        """Send it a signal, or its whole process group."""
        (os.killpg if group else os.kill)(self.pid, number)

    def wait(self) -> Done:
        """Wait for its end."""
        status = self._programs.ask(wait=self.pid)["status"]
        return Done(status, self.out, self._err.read_text(errors="replace"))


class Programs:
    """Starts commands. To be entered.

    Args:
        base: a directory for what they write.
    """

    def __init__(self, base: Path) -> None:
        self._base = base
        self._count = 0
        self._environment = without_foreign(os.environ) | {
            "FINETUNE_TUI_THEME": "dark",
            "PYTHONPATH": str(ROOT),
            "HF_HUB_OFFLINE": "1",
            "HF_HOME": str(base / "hub"),
            "OMP_NUM_THREADS": "1",
            "TOKENIZERS_PARALLELISM": "false",
            "HOME": str(base / "home"),
            "PYTHONUTF8": "0",
            "LC_ALL": "C.UTF-8",
        }

    def __enter__(self) -> Programs:
        (self._base / "home").mkdir(parents=True)
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from tests.programs import serve; serve()"],
            cwd=self._base,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
        )
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def ask(self, **request: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        ready, _, _ = select.select([self._process.stdout], [], [], PATIENCE)
        if not ready:
            os.kill(request.get("wait", self._process.pid), signal.SIGKILL)
            raise AssertionError(f"no answer to {request}")
        return json.loads(self._process.stdout.readline())

    def start(
        self, *arguments: str, folder: Path, environment: Mapping[str, str] | None = None, before: str = ""
    ) -> Running:
        """Start a command.

        Args:
            arguments: those of `finetune-tui`.
            folder: its working directory.
            environment: what is other than usual in its environment.
            before: Python code that runs in its process first, as to make a disk full.
        """
        self._count += 1
        out, err = self._base / f"{self._count}.out", self._base / f"{self._count}.err"
        given = {name: value for name, value in os.environ.items() if name.startswith("FINETUNE_TUI")}
        answer = self.ask(
            arguments=arguments,
            folder=str(folder),
            environment=given | dict(environment or {}),
            before=before,
            out=str(out),
            err=str(err),
        )
        return Running(self, answer["pid"], out, err)

    def run(self, *arguments: str, folder: Path, **options: Any) -> Done:
        """Run a command to its end."""
        return self.start(*arguments, folder=folder, **options).wait()


def wait_for(condition: Callable[[], Any], otherwise: str) -> Any:
    """Wait until the condition gives something true, and return it."""
    end = time.monotonic() + PATIENCE
    while not (value := condition()):
        assert time.monotonic() < end, otherwise
        time.sleep(0.02)
    return value


def serve() -> None:
    """The process that forks: takes requests on standard input, answers on standard output, one JSON line each."""
    hide_trackers()
    import datasets  # noqa: F401
    import torch  # noqa: F401
    import transformers.models.llama.modeling_llama
    import transformers.trainer  # noqa: F401

    import tui_finetune.export.folder
    import tui_finetune.training.trainer  # noqa: F401

    gc.freeze()  # no garbage, and the children need not look for any in it
    for line in sys.stdin.buffer:
        request = json.loads(line)
        if "wait" in request:
            _, status = os.waitpid(request["wait"], 0)
            code = os.waitstatus_to_exitcode(status)
            answer = {"status": 128 - code if code < 0 else code}
        else:
            pid = os.fork()
            if pid == 0:
                _become(request)
            answer = {"pid": pid}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _become(request: dict[str, Any]) -> None:
    """Be the program, to the end."""
    os.setpgid(0, 0)
    os.chdir(request["folder"])
    os.environ.update(request["environment"])
    paths = (os.devnull, request["out"], request["err"])
    for number, path in enumerate(paths):
        flags = os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_APPEND
        descriptor = os.open(path, flags, 0o600)
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.stdin, sys.stdout, sys.stderr = (
        open(n, "r" if n == 0 else "w", encoding="utf-8", closefd=False)  # noqa: SIM115
        for n in range(3)
    )
    signal.signal(signal.SIGINT, signal.default_int_handler)
    status: Sequence[Any] | int | None = 1
    try:
        exec(request["before"], {})
        from tui_finetune.cli.main import main

        status = main(request["arguments"])
    except SystemExit as stop:
        status = stop.code
    except BaseException:
        sys.excepthook(*sys.exc_info())
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            status = 120  # as Python itself ends where its output can't be flushed
    os._exit(status if isinstance(status, int) else 1)
