"""Every fault that must be survived has a test named after it, wherever it fits: here, in tests/training or in tests/pty.

    pytest -k fault_08

| fault | what goes wrong |
|---|---|
| 1, 2, 4, 5, 6 | ctrl+c; signals: to one process, to its group, in any phase, five at once |
| 3, 22, 23, 24 | the terminal: closed, stalled, none, of any size |
| 7, 8, 9 | kill -9: at a random moment, at each file operation of a save, of pruning |
| 10, 11, 12 | the disk: full, failing at the Nth operation, read-only or taken away |
| 13, 14, 15, 16 | files: of a checkpoint damaged, of every one, of another run, of the base model |
| 17, 18 | the loss not finite, the device out of memory |
| 19, 20, 21 | two trainers, the clock set, the run moved |
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]


@pytest.mark.parametrize("number", range(1, 25))
def test_there_is_a_test_of_the_fault(number: int) -> None:
    named = re.compile(rf"^def test_fault_{number:02}_", re.MULTILINE)
    assert any(named.search(path.read_text()) for path in TESTS.glob("*/test_*.py"))
