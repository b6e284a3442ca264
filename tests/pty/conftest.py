"""An empty machine for the real program: home, state, caches and working directory of its own, and a tiny model."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.environment import without_foreign
from tests.programs import wait_for
from tests.pty.terminal import Terminal
from tests.tiny import make_model, sentences, write_jsonl
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.lock import holder
from tui_finetune.runs.state import RunState
from tui_finetune.runs.summary import load_state

PROGRAM = (sys.executable, "-m", "tui_finetune")
PROBE = "FINETUNE_TUI_STATE"

SETTINGS = "logging_steps: 1\nwarmup_steps: 0\nlearning_rate: 1.0e-3\nmax_length: 64\n"
ENDLESS = SETTINGS + "max_steps: 100000\n"
"""With these settings of the tiny model a run ends only when it is asked to."""


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(tmp_path_factory.mktemp("models") / "tiny")


class Machine:
    """Where the program runs.

    Attributes:
        folder: its working directory; `tiny` in it is a model whose runs go on until they are stopped, `data.jsonl` data.
        environment: what it sees.
    """

    def __init__(self, base: Path, model: Path) -> None:
        self.base = base
        self.folder = base / "work"
        for name in ("home", "state", "cache", "hub", "work"):
            (base / name).mkdir()
        shutil.copytree(model, self.folder / "tiny")
        self.suit(ENDLESS)
        write_jsonl(self.folder / "data.jsonl", sentences(60))
        self.environment = without_foreign(os.environ) | {
            "FINETUNE_TUI_THEME": "dark",  # else the terminal is asked, and this one has no answer
            "HOME": str(base / "home"),
            "FINETUNE_TUI_STATE": str(base / "state"),
            "FINETUNE_TUI_CACHE": str(base / "cache"),
            "HF_HOME": str(base / "hub"),
            "HF_HUB_OFFLINE": "1",
            "TERM": "xterm-256color",
            "COLORTERM": "truecolor",
            "LANG": "C.UTF-8",
            "LC_ALL": "C.UTF-8",
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(Path(__file__).parents[2]),
        }
        self._terminals: list[Terminal] = []

    def suit(self, settings: str) -> None:
        """Give the tiny model settings that suit it."""
        (self.folder / "tiny" / "finetune-tui.yaml").write_text(settings)

    def terminal(
        self,
        *arguments: str,
        command: tuple[str, ...] = PROGRAM,
        columns: int = 100,
        rows: int = 30,
        **environment: str,
    ) -> Terminal:
        """Start the program on a terminal."""
        terminal = Terminal(
            [*command, *arguments],
            environment=self.environment | environment,
            folder=self.folder,
            columns=columns,
            rows=rows,
        )
        self._terminals.append(terminal)
        return terminal

    def app_with_tiny_model(self, **options: Any) -> Terminal:
        """The app, with the tiny model chosen."""
        terminal = self.terminal(**options)
        self.choose_tiny_model(terminal)
        return terminal

    def choose_tiny_model(self, terminal: Terminal) -> None:
        """Choose it on the Model screen of an app that has just been opened."""
        terminal.wait(r"tiny\s+\d(?s:.*)Choose")  # in the footer once the list has the focus
        terminal.press("down")
        terminal.wait("enter chooses it")
        terminal.press("enter")
        terminal.wait("tiny → sea-tales")

    def training(self, **options: Any) -> Terminal:
        """The app, with a run of the tiny model that has taken some steps."""
        terminal = self.app_with_tiny_model(**options)
        terminal.press("ctrl+r")
        terminal.wait(r"step +[1-9]")
        return terminal

    @property
    def run(self) -> RunDirectory:
        """The only run there is."""
        (path,) = (self.folder / "runs").iterdir()
        return RunDirectory(path)

    @property
    def state(self) -> RunState:
        """What the run has told of itself."""
        return load_state(self.run)

    def trainer(self) -> psutil.Process:
        """The process that trains the run."""
        owner = wait_for(lambda: holder(self.run.lock_path), "nobody trains")
        return psutil.Process(int(owner["pid"]))

    def processes(self) -> list[psutil.Process]:
        """The program's processes that are alive, also those in the background."""
        found = []
        for pid in psutil.pids():
            try:
                process = psutil.Process(pid)
                if process.environ().get(PROBE) == self.environment[PROBE] and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
            except (psutil.Error, OSError, IndexError):  # the last where one ends while psutil reads its figures
                continue
        return found

    def close(self) -> None:
        for terminal in self._terminals:
            terminal.__exit__(None, None, None)
        for process in self.processes():
            try:
                process.send_signal(signal.SIGKILL)
            except psutil.Error:
                continue


@pytest.fixture
def machine(tmp_path: Path, tiny_model: Path) -> Iterator[Machine]:
    machine = Machine(tmp_path, tiny_model)
    yield machine
    machine.close()
