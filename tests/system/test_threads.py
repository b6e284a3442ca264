"""Computing in threads that pass."""

from __future__ import annotations

import threading

import pytest

from tui_finetune.models.devices import measure_speed
from tui_finetune.system.threads import in_a_passing_thread


def test_the_thread_is_gone_when_its_work_is_done() -> None:
    seen = in_a_passing_thread(threading.current_thread)
    assert seen is not threading.current_thread()
    assert not seen.is_alive()


def test_what_goes_wrong_is_raised_where_it_was_asked_for() -> None:
    with pytest.raises(ZeroDivisionError):
        in_a_passing_thread(lambda: 1 / 0)


def test_measuring_the_speed_leaves_no_thread_behind() -> None:
    before = set(threading.enumerate())
    assert measure_speed(0.01) > 0
    assert set(threading.enumerate()) == before
