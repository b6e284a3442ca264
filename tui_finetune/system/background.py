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
import stat
import sys
import termios
from collections.abc import Callable

from tui_finetune.errors import UserError
from tui_finetune.system.reports import bug
from tui_finetune.system.terminal import printable

TerminalSettings = list[int | list[bytes | int]]
"""What termios tells of a terminal."""

_PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)

# Normal screen, cursor shown, no mouse, no paste mode, usual keys, usual colors.
_AS_USUAL = (
    b"\x1b[?1049l\x1b[?25h\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1015l\x1b[?2004l\x1b[?1004l\x1b[<u\x1b[m"
)


def let_go_of_terminal(duplicates: list[int]) -> None:
    """Point every descriptor that leads to the terminal elsewhere; those that lead to a file or a pipe stay.

    Standard input goes to a pipe that stays empty: one at /dev/null is always readable, and whoever polls it would spin.
    One byte is in it at first, for a thread that has just been told that there is something to read, since the terminal
    hung up, and reads only now: it would wait for ever, and hold up the end of the app.

    Args:
        duplicates: descriptors beside 0, 1 and 2 that may lead there.
    """
    with contextlib.suppress(OSError):
        if _leads_to_device(0):
            empty, kept_open = os.pipe()
            os.write(kept_open, b"\0")
            os.dup2(empty, 0)
        null = os.open(os.devnull, os.O_WRONLY)
        for descriptor in (1, 2, *duplicates):
            if _leads_to_device(descriptor):
                os.dup2(null, descriptor)


def _leads_to_device(descriptor: int) -> bool:
    """Whether it leads to a terminal. One that is gone is no `isatty` any more, but still a device."""
    try:
        return stat.S_ISCHR(os.fstat(descriptor).st_mode)
    except OSError:
        return False


class Front:
    """What the child has of its parent."""

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe

    def detach(self, duplicates: list[int], status: int = 0) -> None:
        """Let the parent end, with that status, while this process goes on without a terminal."""
        with contextlib.suppress(OSError):
            os.setsid()
        let_go_of_terminal(duplicates)
        with contextlib.suppress(OSError):
            os.write(self._pipe, bytes([status]))
            os.close(self._pipe)


def run_detachable(program: Callable[[Front], int]) -> int:
    """Run the program in a child, and return its exit status, or what it gives as soon as it detaches.

    A status above 128 is that of a program ended by a signal, as in a shell. One that a signal has ended could not put
    the terminal in order: that is done here.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    settings = _terminal_settings()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        status = 1
        try:
            status = program(Front(writing))
        except SystemExit as stop:
            status = stop.code if isinstance(stop.code, int) else 1
        except BaseException as error:
            told = error if isinstance(error, UserError) else bug(error, "(the app)")
            status = 2 if told is error else 1
            for line in (f"error: {told.message}", f"hint: {told.remedy}"):
                with contextlib.suppress(OSError, ValueError):
                    print(printable(line, lines=False), file=sys.stderr)
        finally:
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(OSError, ValueError):
                    stream.flush()
            # Threads that are still busy, as with an import, must not hold up the end.
            os._exit(status)
    os.close(writing)
    return _wait_for(child, reading, settings)


def _terminal_settings() -> TerminalSettings | None:
    try:
        return termios.tcgetattr(0)
    except termios.error:
        return None


def _put_in_order(settings: TerminalSettings | None) -> None:
    """Make the terminal what it was before a program that had it was killed."""
    if settings is not None:
        with contextlib.suppress(termios.error, OSError):
            termios.tcsetattr(0, termios.TCSADRAIN, settings)
            os.write(1, _AS_USUAL)


def _wait_for(child: int, pipe: int, settings: TerminalSettings | None) -> int:
    waking, wake = os.pipe()
    for descriptor in (waking, wake):
        os.set_blocking(descriptor, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    # Of a hang-up only the session's leader hears, which this process may be.
    for number in _PASSED_ON:
        signal.signal(number, lambda number, _: _pass_on(child, number))
    while True:
        ready, _, _ = select.select([pipe, waking], [], [])
        if waking in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(waking, 4096)
        if pipe in ready and (byte := os.read(pipe, 1)):
            return byte[0]
        pid, status = os.waitpid(child, os.WUNTRACED | (0 if pipe in ready else os.WNOHANG))
        if pid == 0:
            continue
        if os.WIFSTOPPED(status):
            # The shell must see the job stopped; when it continues the job, the child goes on too.
            os.kill(os.getpid(), signal.SIGSTOP)
            _pass_on(child, signal.SIGCONT)
            continue
        if os.WIFEXITED(status):
            return os.WEXITSTATUS(status)
        _put_in_order(settings)
        return 128 + os.WTERMSIG(status)


def _pass_on(child: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, number)
