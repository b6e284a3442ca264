"""Files that are whole or not there at all."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tempfile
from pathlib import Path

DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""What a system says where nothing more can be written."""

PRIVATE_FILE = 0o600
PRIVATE_DIRECTORY = 0o700


def is_storage_error(error: BaseException) -> bool:
    """Whether an error is one of the many that a full or failing disk gives while a model is saved."""
    if isinstance(error, OSError):
        return True
    text = f"{type(error).__name__}: {error}"
    return any(mark in text for mark in ("inline_container", "PytorchStreamWriter", "SafetensorError", "No space left"))


def sync_directory(path: Path) -> None:
    """Make the names in a directory survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_file(path: Path) -> None:
    """Make a file's content survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def open_regular(path: str, flags: int) -> int:
    """An opener for `open` that takes regular files only: a pipe is not waited for, a link not followed.

    Raises:
        OSError: it is something else, or can't be opened.
    """
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, PRIVATE_FILE)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "is no file", path)
    return descriptor


def write_atomically(path: Path, content: str | bytes, *, mode: int = PRIVATE_FILE, durable: bool = True) -> None:
    """Write a file so that a reader sees the old content or the new, never a part of it.

    Args:
        path: the file; its directory must exist.
        content: text is written as UTF-8.
        mode: permissions of the new file.
        durable: wait until it is on disk.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), mode)
            if durable:
                os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
    if durable:
        sync_directory(path.parent)
