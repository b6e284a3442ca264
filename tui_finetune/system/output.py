"""The terminal belongs to the program; whatever libraries print goes to a log.

Textual draws on ``sys.__stderr__`` and asks ``sys.__stdout__`` for the size. Both are put on duplicates of the
terminal's descriptors, so that descriptors 1 and 2, where C code and child processes write, can lead to a file.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

from tui_finetune.system.files import PRIVATE_FILE


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
        setattr(sys, name, stream)
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
