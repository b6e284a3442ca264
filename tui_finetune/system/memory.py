"""How much of the machine's memory this process takes, and took at most."""

from __future__ import annotations

import contextlib
import resource
import sys
from pathlib import Path

import psutil

_RESET_PEAK = "5"
"""What resets the largest resident memory, by the kernel's documentation of /proc/PID/clear_refs."""


def forget_peak() -> bool:
    """Have the kernel forget how much memory the process took at most so far; whether it could be done."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text(_RESET_PEAK)
        return True
    return False


def peak_memory() -> int:
    """Bytes of memory that the process took at most, since `forget_peak` where that worked."""
    if (peak := _status("VmHWM")) is not None:
        return peak
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def own_memory() -> int:
    """Bytes of memory that would be free again without this process; files that it maps don't count, where that is known."""
    anonymous = _status("RssAnon")
    return psutil.Process().memory_info().rss if anonymous is None else anonymous


def _status(key: str) -> int | None:
    """A size that /proc/self/status tells, in bytes; None where there is no such file or line."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(f"{key}:"):
                return int(line.split()[1]) * 1024
    return None
