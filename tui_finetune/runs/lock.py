"""The lock of the live trainer: who holds it trains, and it frees itself when the process ends, however it ends."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import socket
import time
from pathlib import Path

from tui_finetune.errors import UserError
from tui_finetune.system.files import PRIVATE_FILE, open_regular

RETRY_SECONDS = 1.0
"""How long taking the lock is tried: a watcher's probe holds it for a moment."""

MAX_BYTES = 4096

_FLAGS = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW


class LockLost(UserError):
    """Another process has taken the run over, because its lock file was deleted."""


class RunLock:
    """An exclusive flock on a run directory's run.lock, with the holder's pid and host in it.

    The directory itself is locked too: anybody may delete a file in it, and a lock on a deleted file keeps nobody out.

    Args:
        path: the lock file.
        make: whether to make the file where it isn't there; without it the directory's lock has to do, as on a full disk.
    """

    def __init__(self, path: Path, *, make: bool = True) -> None:
        self.path = path
        self._make = make
        self._descriptor = -1
        self._directory = -1

    def acquire(self) -> None:
        """Take the lock; raises UserError where another process has it, or the directory can't be written to."""
        try:
            self._directory = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            self._wait_for(self._directory)
            with contextlib.suppress(FileNotFoundError):
                self._descriptor = self._open(os.O_CREAT if self._make else 0)
                self._wait_for(self._descriptor)
            self.keep()  # it may have been deleted meanwhile
        except UserError:
            self.release()
            raise
        except OSError as error:
            self.release()
            raise UserError(
                f"{self.path.parent}: {error.strerror}", "the run's directory must be there and writable"
            ) from None
        self._sign()

    def keep(self) -> bool:
        """See to it that the lock file is there and locked; gives whether it had to be made again.

        Raises:
            LockLost: another process has made it and trains the run.
        """
        if self._descriptor < 0 or _is_file_of(self._descriptor, self.path):
            return False
        try:
            descriptor = self._open(os.O_CREAT)
        except OSError:
            return False  # The directory is gone or the disk full: nobody else can make it either.
        if not _try(descriptor):
            os.close(descriptor)
            name = self.path.parent.name
            raise LockLost(
                f"{self.path.name} of {name} was deleted, and another process trains the run now",
                f"`finetune-tui attach {name}` watches it; this process has ended without saving",
            )
        os.close(self._descriptor)
        self._descriptor = descriptor
        self._sign()
        return True

    def release(self) -> None:
        if self._descriptor >= 0:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
        if self._directory >= 0:
            os.close(self._directory)
        self._descriptor = self._directory = -1

    def __enter__(self) -> RunLock:
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def _open(self, flags: int) -> int:
        return os.open(self.path, _FLAGS | flags, PRIVATE_FILE)

    def _wait_for(self, descriptor: int) -> None:
        end = time.monotonic() + RETRY_SECONDS
        while not _try(descriptor):
            if time.monotonic() > end:
                raise self._taken()
            time.sleep(0.05)

    def _sign(self) -> None:
        """Say who has it. On a full disk nobody is told, which harms nothing."""
        if self._descriptor >= 0:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, 0)
                os.pwrite(self._descriptor, json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode(), 0)

    def _taken(self) -> UserError:
        owner = holder(self.path)
        who = f" (process {owner['pid']} on {owner['host']})" if owner else ""
        name = self.path.parent.name
        return UserError(
            f"{name} is being trained already{who}",
            f"`finetune-tui attach {name}` watches it, `finetune-tui stop {name}` ends it",
        )


def _try(descriptor: int) -> bool:
    """Lock a file; gives False where somebody else has. Where a file system has no locks, as for directories on some, True."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in {errno.EWOULDBLOCK, errno.EACCES}
    return True


def _is_file_of(descriptor: int, path: Path) -> bool:
    """Whether what was opened is still what is there by that name."""
    try:
        there = os.stat(path, follow_symlinks=False)
    except OSError:
        return False
    opened = os.fstat(descriptor)
    return (there.st_dev, there.st_ino) == (opened.st_dev, opened.st_ino)


def is_held(path: Path) -> bool:
    """Whether a live process holds the lock on a file or directory."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno in {errno.EWOULDBLOCK, errno.EACCES}
    finally:
        os.close(descriptor)
    return False


def holder(path: Path) -> dict[str, str | int] | None:
    """Pid and host of who took the lock last, where they can be read."""
    try:
        with open(path, "rb", opener=open_regular) as file:
            content = json.loads(file.read(MAX_BYTES))
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) and {"pid", "host"} <= content.keys() else None
