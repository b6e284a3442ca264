"""Ctrl+Z and an outside SIGSTOP: the shell has its terminal, and `fg` brings the app back (C11)."""

from __future__ import annotations

import shlex
import signal

import psutil

from tests.programs import wait_for
from tests.pty.conftest import PROGRAM, Machine


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
    shell.wait("Length of training")

    stopped = [process for process in machine.processes() if "tui_finetune" in " ".join(process.cmdline())]
    app = max(stopped, key=lambda process: process.pid)
    app.send_signal(signal.SIGSTOP)
    shell.wait("Stopped")
    wait_for(lambda: app.status() == psutil.STATUS_STOPPED, "it goes on")
    shell.write("echo three''four\n")
    shell.wait("threefour")
    shell.write("fg\n")
    shell.wait("threefour", gone=True)
    shell.wait("Length of training")
    shell.press("1")
    shell.wait(r"tiny\s+\d")
    shell.press("ctrl+q")
    shell.wait("ready>")
