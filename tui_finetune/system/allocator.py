"""The C library's allocator, set so that training on a CPU doesn't hand memory back to the kernel at every step."""

from __future__ import annotations

import contextlib
import ctypes
import sys

# From glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8

KEPT_BYTES = 512 * 1024 * 1024
LARGEST_KEPT_BLOCK = 32 * 1024 * 1024
"""The highest threshold that glibc takes; a larger tensor is mapped by itself, and its faults are small beside its work."""


def keep_freed_memory() -> None:
    """Keep what is freed, up to half a GB, for the next step, in one arena for all threads.

    Left alone, glibc returns the activations of a step to the kernel when they are freed, and takes them back, a page
    fault for each 4 KiB, in the next: thousands of faults a step, a tenth of a small model's time. To be called before
    the thread that trains is started, since a thread keeps the arena that it began with. Does nothing without glibc.
    """
    if not sys.platform.startswith("linux"):
        return
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_ARENA_MAX, 1)
        mallopt(_M_MMAP_THRESHOLD, LARGEST_KEPT_BLOCK)
        mallopt(_M_TRIM_THRESHOLD, KEPT_BYTES)
