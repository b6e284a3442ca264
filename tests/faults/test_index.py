"""Every fault that must be survived has a test named after it, wherever it fits: here, in tests/training or in tests/pty.

    pytest -k fault_08
    pytest -k "d3_ or w1_"

| fault | what goes wrong |
|---|---|
| 1, 2, 4, 5, 6 | ctrl+c; signals: to one process, to its group, in any phase, five at once |
| 3, 22, 23, 24 | the terminal: closed, stalled, none, of any size |
| 7, 8, 9 | kill -9: at a random moment, at each file operation of a save, of pruning |
| 10, 11, 12 | the disk: full, failing at the Nth operation, read-only or taken away |
| 13, 14, 15, 16 | files: of a checkpoint damaged, of every one, of another run, of the base model |
| 17, 18 | the loss not finite, the device out of memory |
| 19, 20, 21 | two trainers, the clock set, the run moved |
| d1 to d9 | data loss: foreign files, places of final models, keys that are held, models that can't be saved, deleted locks |
| w1 to w8 | wrong results: a step too many, text taken for turns, keys twice in YAML, columns passed over, settings, thoughts |
| s1 to s5 | security: links in a run, control sequences, bombs in YAML, Parquet, and templates |
| c1 to c11 | crashes and hangs: random keys, newer settings, other users, a full disk, held keys, strange requests and events, names
taken at once, long logs, bombs of newlines, ctrl+z |
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]

FAULTS = [f"fault_{number:02}" for number in range(1, 25)]
ATTACKS = [
    f"{kind}{number}" for kind, last in {"d": 9, "w": 8, "s": 5, "c": 11}.items() for number in range(1, last + 1)
]

NAMED = {
    match[1]
    for path in TESTS.rglob("test_*.py")
    for match in re.finditer(r"^(?:async )?def test_(fault_\d\d|[dwsc]\d+)_", path.read_text(), re.MULTILINE)
}


@pytest.mark.parametrize("name", [*FAULTS, *ATTACKS])
def test_there_is_a_test_of(name: str) -> None:
    assert name in NAMED
