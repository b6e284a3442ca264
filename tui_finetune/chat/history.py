"""The prompts that were written, kept over starts."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

from tui_finetune.system.files import PRIVATE_DIRECTORY, PRIVATE_FILE, open_regular, write_atomically
from tui_finetune.system.paths import state_dir

MOST = 500
"""Prompts that are kept."""

LONGEST = 10_000
"""Characters of a prompt that is kept for the next start."""

MAX_BYTES = 4 * 1024 * 1024


class PromptHistory:
    """The prompts, gone through with up and down.

    Args:
        path: where they are kept; None to keep them nowhere.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._prompts: list[str] = _read(path) if path is not None else []
        self._at = len(self._prompts)
        self._draft = ""

    @classmethod
    def of_user(cls) -> PromptHistory:
        """The one that app and terminal share."""
        return cls(state_dir() / "prompts.jsonl")

    @property
    def prompts(self) -> list[str]:
        """All of them, the oldest first."""
        return list(self._prompts)

    def add(self, prompt: str) -> None:
        """Remember a prompt, once where it is sent several times in a row."""
        if prompt.strip() and (not self._prompts or self._prompts[-1] != prompt):
            self._prompts.append(prompt)
            self._write(prompt)
        self._at = len(self._prompts)

    def go(self, by: int, shown: str) -> str:
        """The prompt so many places away, -1 being the one before; after the last comes what was being written."""
        if self._at == len(self._prompts):
            self._draft = shown
        self._at = min(max(self._at + by, 0), len(self._prompts))
        return self._draft if self._at == len(self._prompts) else self._prompts[self._at]

    def _write(self, prompt: str) -> None:
        """Add it to the file; a disk that is full or a folder that is gone keeps nobody from talking."""
        if self._path is None or len(prompt) > LONGEST:
            return
        line = json.dumps(prompt) + "\n"
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(mode=PRIVATE_DIRECTORY, parents=True, exist_ok=True)
            if len(self._prompts) >= 2 * MOST:
                self._prompts = self._prompts[-MOST:]
                write_atomically(self._path, "".join(json.dumps(kept) + "\n" for kept in self._prompts), durable=False)
                return
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            descriptor = os.open(self._path, flags, PRIVATE_FILE)
            with os.fdopen(descriptor, "ab") as file:
                file.write(line.encode())


def _read(path: Path) -> list[str]:
    """The prompts in a file; lines that are none are passed over."""
    try:
        with open(path, "rb", opener=open_regular) as file:
            lines = file.read(MAX_BYTES).splitlines()
    except OSError:
        return []
    prompts: list[str] = []
    for line in lines[-2 * MOST :]:
        with contextlib.suppress(ValueError, RecursionError):
            if isinstance(prompt := json.loads(line), str):
                prompts.append(prompt)
    return prompts[-MOST:]
