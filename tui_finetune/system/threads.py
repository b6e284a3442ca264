"""Threads that computations are done in."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")


def in_a_passing_thread(work: Callable[[], Result]) -> Result:
    """Do something in a thread of its own, which ends with it; returns what it returns, raises what it raises.

    OpenMP keeps helpers for every thread that has ever computed with torch. As soon as these are more than the machine
    has cores, GNU's lets all of them sleep between two operations: a training in another thread then takes half as long
    again. So what computes beside it, or before it, must not stay.
    """
    with ThreadPoolExecutor(1, "passing") as pool:
        return pool.submit(work).result()
