"""Freed memory stays with the process, so that the next step doesn't fault it in again."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

BLOCKS = """
import resource, sys, threading
from tui_finetune.system.allocator import keep_freed_memory

def faults():
    for _ in range(3):
        [bytearray(5_000_000) for _ in range(8)]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        [bytearray(5_000_000) for _ in range(8)]
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)

if "keep" in sys.argv:
    keep_freed_memory()
thread = threading.Thread(target=faults)
thread.start()
thread.join()
"""


def faults(*arguments: str) -> int:
    """Page faults of a thread that takes and frees 40 MB twenty times, in a fresh process."""
    command = [sys.executable, "-c", BLOCKS, *arguments]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's allocator is set")
def test_a_thread_takes_its_memory_once() -> None:
    assert faults("keep") < faults() / 10
