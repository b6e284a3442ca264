"""Bugs: said in a line, with the traceback in a report that can be sent."""

from __future__ import annotations

import contextlib
import os
import platform
import sys
import tempfile
import time
import traceback
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from tui_finetune.errors import UserError
from tui_finetune.system.files import PRIVATE_DIRECTORY, write_atomically
from tui_finetune.system.paths import short_path, state_dir
from tui_finetune.system.terminal import printable

KEPT = 20
"""The newest reports; older ones are deleted."""

_PACKAGES = (
    "finetune-tui",
    "torch",
    "transformers",
    "tokenizers",
    "datasets",
    "pyarrow",
    "accelerate",
    "peft",
    "textual",
)


def write_report(error: BaseException, doing: str = "") -> Path | None:
    """Write what is needed to find a bug into a file in the state directory; None where no file can be written.

    Args:
        error: what was raised, with its traceback.
        doing: what the program was doing; its command line if left out.
    """
    lines = [
        f"finetune-tui {doing or ' '.join(sys.argv[1:])}",
        time.strftime("%Y-%m-%d %H:%M:%S %z"),
        f"Python {platform.python_version()}, {platform.platform()}",
        ", ".join(f"{name} {_version(name)}" for name in _PACKAGES),
        "",
        "".join(traceback.format_exception(error)),
    ]
    name = f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
    for folder in (state_dir() / "reports", Path(tempfile.gettempdir())):
        with contextlib.suppress(OSError):
            folder.mkdir(mode=PRIVATE_DIRECTORY, parents=True, exist_ok=True)
            path = folder / (name if folder.name == "reports" else f"finetune-tui-{name}")
            write_atomically(path, printable("\n".join(lines)), durable=False)
            if folder.name == "reports":
                _prune(folder)
            return path
    return None


def bug(error: BaseException, doing: str = "") -> UserError:
    """A bug as an error that is shown in two lines: what it was, and where the report is and how to send it."""
    if isinstance(error, MemoryError):
        return UserError("there is not enough memory for this", "close other programs, or take something smaller")
    path = write_report(error, doing)
    first = next(iter(str(error).splitlines()), "")[:300]
    cause = f"{type(error).__name__}: {first}" if first else type(error).__name__
    report = f"please open an issue and attach {short_path(path)}" if path is not None else "please open an issue"
    return UserError(f"a bug in finetune-tui: {cause}", f"{report}, which has the details" if path else report)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "(not installed)"


def _prune(folder: Path) -> None:
    for old in sorted(folder.glob("*.txt"))[:-KEPT]:
        old.unlink(missing_ok=True)
