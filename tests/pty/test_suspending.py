"""Ctrl+Z and an outside SIGSTOP: the shell has its terminal, and `fg` brings the app back (C11)."""

from __future__ import annotations

import os
import shlex
import signal
from collections.abc import Iterator
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import psutil
import pytest

from tests.programs import wait_for
from tests.pty.conftest import PROGRAM, Machine
from tui_finetune.tui.suspending import Suspending

if TYPE_CHECKING:
    from textual.app import App
    from textual.driver import Driver


def test_c11_suspended_by_a_key_or_from_outside_fg_brings_it_back(machine: Machine) -> None:
    shell = machine.terminal(command=("bash", "--norc", "-i"), PS1="ready> ")
    shell.wait("ready>")
    shell.write(f"{shlex.join(PROGRAM)}\n")
    shell.wait(r"tiny\s+\d")

    shell.press("ctrl+z")
    shell.wait("Stopped(?s:.*)ready>")
    shell.write("echo one''two\n")
    shell.wait("onetwo")
    shell.write("fg\n")
    shell.wait(r"tiny\s+\d")
    shell.wait("onetwo", gone=True)
    shell.press("3")
    shell.wait("Start from")

    stopped = [process for process in machine.processes() if "tui_finetune" in " ".join(process.cmdline())]
    app = max(stopped, key=lambda process: process.pid)
    app.send_signal(signal.SIGSTOP)
    shell.wait("Stopped")
    wait_for(lambda: app.status() == psutil.STATUS_STOPPED, "it goes on")
    shell.write("echo three''four\n")
    shell.wait("threefour")
    shell.write("fg\n")
    shell.wait("threefour", gone=True)
    shell.wait("Start from")
    shell.press("1")
    shell.wait(r"tiny\s+\d")
    shell.press("ctrl+q")
    shell.wait("ready>")


class TwiceContinued:
    """A driver that another signal to continue reaches while it is still starting anew."""

    can_suspend = True

    def __init__(self) -> None:
        self.done: list[str] = []

    def suspend_application_mode(self) -> None:
        self.done.append("suspend")
        os.kill(os.getpid(), signal.SIGCONT)

    def resume_application_mode(self) -> None:
        self.done.append("resume")
        os.kill(os.getpid(), signal.SIGCONT)


@pytest.fixture
def signals_kept() -> Iterator[None]:
    kept = {number: signal.getsignal(number) for number in (signal.SIGTSTP, signal.SIGCONT)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


def test_c11_continued_twice_at_once_the_keys_have_one_reader(signals_kept: None) -> None:
    driver = TwiceContinued()
    Suspending(cast("App[int]", SimpleNamespace(call_later=lambda _: None)), cast("Driver", driver))
    os.kill(os.getpid(), signal.SIGCONT)
    assert driver.done == ["suspend", "resume"]
