"""The lock of the live trainer: who holds it trains, and it frees itself when the process ends, however it ends."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import time
from pathlib import Path

from tui_finetune.errors import UserError
from tui_finetune.system.files import PRIVATE_FILE

RETRY_SECONDS = 1.0
"""How long taking the lock is tried: a watcher's probe holds it for a moment."""


class RunLock:
    """An exclusive flock on a run directory's run.lock, with the holder's pid and host in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = -1

    def acquire(self) -> None:
        """Take the lock; raises UserError where another process has it, or the directory can't be written to."""
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE_FILE)
        except OSError as error:
            raise UserError(
                f"{self.path.parent}: {error.strerror}", "the run's directory must be there and writable"
            ) from None
        end = time.monotonic() + RETRY_SECONDS
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if time.monotonic() > end:
                    os.close(descriptor)
                    owner = holder(self.path)
                    who = f" (process {owner['pid']} on {owner['host']})" if owner else ""
                    name = self.path.parent.name
                    raise UserError(
                        f"{name} is being trained already{who}",
                        f"`finetune-tui attach {name}` watches it, `finetune-tui stop {name}` ends it",
                    ) from None
                time.sleep(0.05)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode(), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        if self._descriptor >= 0:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> RunLock:
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def is_held(path: Path) -> bool:
    """Whether a live process holds the lock."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def holder(path: Path) -> dict[str, str | int] | None:
    """Pid and host of who took the lock last, where they can be read."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) and {"pid", "host"} <= content.keys() else None
