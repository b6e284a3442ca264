"""A program that can let go of its terminal and go on in the background.

The program forks before it does anything. The child is the program; the parent only waits, so that the shell has a
process to wait for. To detach, the child becomes the leader of a session of its own, lets go of the terminal and sends
the parent a byte; the parent ends, and the shell has its prompt back. It must be the child that goes on: a process that
leads its group can't begin a session.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
from collections.abc import Callable

_PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)


def let_go_of_terminal(duplicates: list[int]) -> None:
    """Point every descriptor that leads to the terminal elsewhere; standard input at a pipe that stays empty.

    An input at /dev/null is always readable, and whoever polls it would spin.

    Args:
        duplicates: descriptors beside 0, 1 and 2 that lead there.
    """
    with contextlib.suppress(OSError):
        empty, _kept_open = os.pipe()
        os.dup2(empty, 0)
        null = os.open(os.devnull, os.O_WRONLY)
        for descriptor in (1, 2, *duplicates):
            os.dup2(null, descriptor)


class Front:
    """What the child has of its parent."""

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe

    def detach(self, duplicates: list[int]) -> None:
        """Let the parent end, with status 0, while this process goes on without a terminal."""
        with contextlib.suppress(OSError):
            os.setsid()
        let_go_of_terminal(duplicates)
        with contextlib.suppress(OSError):
            os.write(self._pipe, b"d")
            os.close(self._pipe)


def run_detachable(program: Callable[[Front], int]) -> int:
    """Run the program in a child, and return its exit status, or 0 as soon as it detaches.

    A status above 128 is that of a program ended by a signal, as in a shell.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        status = 1
        try:
            status = program(Front(writing))
        except SystemExit as stop:
            status = stop.code if isinstance(stop.code, int) else 1
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(OSError, ValueError):
                    stream.flush()
            # Threads that are still busy, as with an import, must not hold up the end.
            os._exit(status)
    os.close(writing)
    return _wait_for(child, reading)


def _wait_for(child: int, pipe: int) -> int:
    waking, wake = os.pipe()
    for descriptor in (waking, wake):
        os.set_blocking(descriptor, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGHUP, lambda *_: None)  # The child gets it as well, and decides.
    for number in _PASSED_ON:
        signal.signal(number, lambda number, _: _pass_on(child, number))
    while True:
        ready, _, _ = select.select([pipe, waking], [], [])
        if waking in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(waking, 4096)
        if pipe in ready and os.read(pipe, 1):
            return 0
        pid, status = os.waitpid(child, os.WUNTRACED | (0 if pipe in ready else os.WNOHANG))
        if pid == 0:
            continue
        if os.WIFSTOPPED(status):
            # The shell must see the job stopped; when it continues the job, the child goes on too.
            os.kill(os.getpid(), signal.SIGSTOP)
            _pass_on(child, signal.SIGCONT)
            continue
        return os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)


def _pass_on(child: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, number)
