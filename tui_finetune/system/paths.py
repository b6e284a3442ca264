"""Where the program keeps what it knows between starts, and paths as people type them."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def state_dir() -> Path:
    """Where the program keeps what it knows between runs (FINETUNE_TUI_STATE, or the platform's state directory)."""
    return Path(os.environ.get("FINETUNE_TUI_STATE") or platformdirs.user_state_path("finetune-tui"))


def short_path(path: str | Path, here: Path | None = None, home: Path | None = None) -> str:
    """A path as it is typed: relative where it lies below the current directory, with ~ for the home directory."""
    full = Path(path)
    for base, prefix in ((here or Path.cwd(), ""), (home or Path.home(), "~/")):
        try:
            return prefix + str(full.relative_to(base))
        except ValueError:
            continue
    return str(full)
