"""The terminal belongs to the program; whatever libraries print goes to a log.

Textual draws on ``sys.__stderr__`` and asks ``sys.__stdout__`` for the size. Both are put on duplicates of the
terminal's descriptors, so that descriptors 1 and 2, where C code and child processes write, can lead to a file.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO, cast

from tui_finetune.system.files import PRIVATE_FILE
from tui_finetune.system.terminal import printable


class Gate:
    """A text stream that lets no character through that a terminal might obey, whoever writes to it.

    What is written is shown; everything else is the stream's. Bytes can't be written past it.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(printable(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    @property
    def ungated(self) -> TextIO:
        """The stream itself, for what draws on the terminal."""
        return self._stream

    def __getattr__(self, name: str) -> object:
        if name == "buffer":
            raise AttributeError(name)
        return getattr(self._stream, name)


def gated(stream: TextIO) -> TextIO:
    """The stream behind a gate, if it isn't yet."""
    return stream if isinstance(stream, Gate) else cast(TextIO, Gate(stream))


def ungated(stream: TextIO) -> TextIO:
    """The stream without its gate: for what draws on the terminal, and makes what it draws printable itself."""
    return stream.ungated if isinstance(stream, Gate) else stream


@contextlib.contextmanager
def one_gate() -> Iterator[None]:
    """Within it all that Python code prints goes through a gate: warnings, logs, tracebacks, the program's own lines."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = gated(sys.stdout), gated(sys.stderr)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


@contextlib.contextmanager
def libraries_apart() -> Iterator[None]:
    """Within it what C code and child processes print goes to a file in the temporary directory, which is deleted unless the
    process dies; the program's own output goes where it went. Does nothing where standard output and error are not those
    of the process, as in tests."""
    try:
        if (sys.stdout.fileno(), sys.stderr.fileno()) != (1, 2):
            raise OSError
    except (OSError, ValueError, AttributeError):
        yield
        return
    before = sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__
    duplicates = keep_terminal()
    log = os.devnull
    with contextlib.suppress(OSError):
        descriptor, log = tempfile.mkstemp(prefix="finetune-tui-libraries-", suffix=".log")
        os.close(descriptor)
    try:
        with output_to(Path(log)):
            yield
    finally:
        if log != os.devnull:
            with contextlib.suppress(OSError):
                os.unlink(log)
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__ = before  # type: ignore[misc]
        for descriptor in duplicates:
            os.close(descriptor)


def keep_terminal() -> list[int]:
    """Move the program's own output to duplicates of descriptors 1 and 2, and return these duplicates.

    Call it once, before textual is imported.
    """
    duplicates = []
    for number, name in ((1, "stdout"), (2, "stderr")):
        descriptor = os.dup(number)
        os.set_inheritable(descriptor, False)
        encoding = getattr(sys, name).encoding or "utf-8"
        stream = open(descriptor, "w", encoding=encoding, errors="replace", newline="\n", closefd=False)  # noqa: SIM115
        setattr(sys, name, gated(stream))
        setattr(sys, f"__{name}__", stream)
        duplicates.append(descriptor)
    return duplicates


def open_missing() -> None:
    """Lead standard input, output and error to /dev/null where they are closed.

    Otherwise the next file that is opened would be number 1, and get what is printed.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
        if getattr(sys, name) is None:
            stream = open(number, "r" if number == 0 else "w", encoding="utf-8", closefd=False)  # noqa: SIM115
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)


@contextlib.contextmanager
def output_to(path: Path) -> Iterator[None]:
    """Lead descriptors 1 and 2 into a file, appending, while the context lasts."""
    target = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, PRIVATE_FILE)
    saved = [os.dup(1), os.dup(2)]
    try:
        os.dup2(target, 1)
        os.dup2(target, 2)
        os.close(target)
        yield
    finally:
        for number, descriptor in zip((1, 2), saved, strict=True):
            os.dup2(descriptor, number)
            os.close(descriptor)
