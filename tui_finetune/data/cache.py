"""Work that is kept: data once read or prepared is there at once the next time.

An entry is a directory, named by a fingerprint of all that its content depends on. It is built under another name and
renamed into place when whole; `meta.json` in it lists the size of each file, so that a damaged entry is found out and
built anew.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import platformdirs

from tui_finetune.errors import UserError
from tui_finetune.system.files import PRIVATE_DIRECTORY

KEEP_SECONDS = 30 * 86_400
"""Entries that nobody has used for this long are removed."""

META = "meta.json"


def cache_dir() -> Path:
    """Where read and prepared data is kept (FINETUNE_TUI_CACHE, or the platform's cache directory)."""
    return Path(os.environ.get("FINETUNE_TUI_CACHE") or platformdirs.user_cache_path("finetune-tui"))


def fingerprint(*parts: object) -> str:
    """A name for what depends on these values, all of which JSON must be able to write."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


@contextlib.contextmanager
def writing_to_cache() -> Iterator[None]:
    """Turns what can go wrong with the cache's disk into UserErrors."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            message = f"the disk is full: no room in {cache_dir()}"
        elif error.errno in {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST}:
            message = f"{cache_dir()} can't be written to"
        else:
            raise
        raise UserError(
            message, "free some space, or set FINETUNE_TUI_CACHE to a directory on a disk with room"
        ) from None


class Entry:
    """One entry of the cache."""

    def __init__(self, kind: str, key: str) -> None:
        """
        Args:
            kind: what sort of content, a word.
            key: the fingerprint of all that the content depends on.
        """
        self.path = cache_dir() / kind / key

    def meta(self) -> dict[str, Any] | None:
        """What was noted when it was made; None where it isn't there or isn't whole."""
        try:
            meta = json.loads((self.path / META).read_bytes())
            sizes: dict[str, int] = meta["sizes"]
            if any((self.path / name).stat().st_size != size for name, size in sizes.items()):
                return None
            content: dict[str, Any] = meta["content"]
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None
        with contextlib.suppress(OSError):
            os.utime(self.path)
        return content

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)

    @contextlib.contextmanager
    def building(self) -> Iterator[tuple[Path, dict[str, Any]]]:
        """A directory to write files in, and a mapping for what is to be noted; kept when the block ends well.

        Raises:
            UserError: the disk is full, or can't be written to.
        """
        with writing_to_cache():
            self.path.parent.mkdir(mode=PRIVATE_DIRECTORY, parents=True, exist_ok=True)
            _prune(self.path.parent)
            temporary = Path(tempfile.mkdtemp(prefix=".building-", dir=self.path.parent))
            try:
                content: dict[str, Any] = {}
                yield temporary, content
                sizes = {path.name: path.stat().st_size for path in temporary.iterdir()}
                (temporary / META).write_text(json.dumps({"sizes": sizes, "content": content}))
                self.remove()
                # Another process may have made the same entry in the meantime; theirs is as good.
                with contextlib.suppress(FileExistsError):
                    _rename(temporary, self.path)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)


def _rename(source: Path, target: Path) -> None:
    try:
        source.rename(target)
    except OSError as error:
        if error.errno in {errno.ENOTEMPTY, errno.EEXIST}:
            raise FileExistsError(target) from None
        raise


def _prune(directory: Path) -> None:
    """Remove what hasn't been used for long, and what was never finished."""
    now = time.time()
    for entry in directory.iterdir():
        limit = 86_400 if entry.name.startswith(".building-") else KEEP_SECONDS
        with contextlib.suppress(OSError):
            if now - entry.stat().st_mtime > limit:
                shutil.rmtree(entry, ignore_errors=True)
