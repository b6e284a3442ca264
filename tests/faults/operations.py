"""Operations on files, counted, and something done just before the Nth of them: the process killed, or an error raised.

As SQLite's tests do it: for every N there is, so that no moment of a save is left out.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

AUDITED = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.chmod", "os.listdir", "os.scandir"}


def kill() -> None:
    """End this process as kill -9 does, or a power cut."""
    os.kill(os.getpid(), signal.SIGKILL)


def fail() -> None:
    """What a failing disk answers."""
    raise OSError(errno.EIO, os.strerror(errno.EIO))


class Operations:
    """Counts what one thread does to files while `watching`.

    Python's own operations are seen whoever asks for them, through an audit hook; beside them fsync, and the files that
    native code writes, which count twice: before they are written, and when half of them is.

    Attributes:
        names: the operations so far, in words.
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self._thread = 0
        self._at = 0
        self._what: Callable[[], None] = kill
        sys.addaudithook(self._audited)  # It can't be taken away again, only be idle.

    @contextmanager
    def watching(self, at: int = 0, what: Callable[[], None] = kill) -> Iterator[None]:
        """Count this thread's operations, and call `what` before the one with number `at`, from 1."""
        import safetensors.torch
        import torch

        self.names, self._at, self._what = [], at, what
        with ExitStack() as patches:
            patches.enter_context(mock.patch.object(os, "fsync", self._announced(os.fsync, "fsync")))
            for module, name, place in ((torch, "save", 1), (safetensors.torch, "serialize_file", 1)):
                write = self._halved(getattr(module, name), place)
                patches.enter_context(mock.patch.object(module, name, write))
            self._thread = threading.get_ident()
            try:
                yield
            finally:
                self._thread = 0

    def _reach(self, name: str) -> None:
        if threading.get_ident() == self._thread:
            self.names.append(name)
            if len(self.names) == self._at:
                self._what()

    def _audited(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self._thread == 0 or event not in AUDITED:
            return
        path = arguments[0]
        if event == "open" and (isinstance(path, int) or not _is_of_a_checkpoint(path)):
            return
        self._reach(f"{event} {Path(os.fsdecode(path)).name if not isinstance(path, int) else path}")

    def _announced(self, call: Callable[..., Any], name: str) -> Callable[..., Any]:
        def announced(*arguments: Any) -> Any:
            self._reach(name)
            return call(*arguments)

        return announced

    def _halved(self, write: Callable[..., Any], place: int) -> Callable[..., Any]:
        """A native writer, whose file is at that place among its arguments, that is seen before and half-way."""

        def halved(*arguments: Any, **options: Any) -> None:
            path = Path(arguments[place])
            self._reach(f"write {path.name}")
            write(*arguments, **options)
            if threading.get_ident() == self._thread and len(self.names) + 1 == self._at:
                os.truncate(path, path.stat().st_size // 2)
            self._reach(f"half of {path.name}")

        return halved


def _is_of_a_checkpoint(path: Any) -> bool:
    """Whether a path that is opened is of a run's checkpoints; one without a directory is opened relative to them."""
    text = os.fsdecode(path)
    return "checkpoint" in text or not os.path.isabs(text)
