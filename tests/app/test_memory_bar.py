"""The memory of a run as a bar: its parts are to scale, and what does not fit is crossed out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tui_finetune.planning.estimate import Estimate
from tui_finetune.tui.widgets.memory_bar import BEYOND, cells, memory_bar, memory_legend

MEMORY = {
    "weights": 500_000_000, "gradients": 0, "optimizer": 1_000_000_000, "activations": 300_000_000, "logits": 200_000_000,
    "overhead": 500_000_000, "total": 2_500_000_000,
}  # fmt: skip
ESTIMATE = Estimate(1, 1, MEMORY, 4 * 10**9, 3 * 10**9, fits=True, steps=None, seconds=None, disk=0)


@pytest.mark.parametrize("width", [1, 7, 20, 44, 100])
def test_the_cells_are_to_scale_and_fill_the_bar(width: int) -> None:
    found = cells(MEMORY, width)
    assert sum(found) == width
    assert all(
        abs(count / width - part / 2.5e9) <= 1 / width for count, part in zip(found, MEMORY.values(), strict=False)
    )


def test_every_part_has_its_glyph_and_size() -> None:
    assert memory_bar(ESTIMATE, 25).plain == "█████▒▒▒▒▒▒▒▒▒▒███▓▓░░░░░"
    legend = memory_legend(ESTIMATE, 40).plain
    assert "gradients" not in legend  # of which there are none worth a word
    assert all(name in legend for name in ("weights", "optimizer", "activations", "logits", "libraries"))
    assert max(map(len, legend.splitlines())) <= 40
    assert len({line.index("MB") for line in legend.splitlines() if "MB" in line}) == 1


def test_what_does_not_fit_is_crossed_out() -> None:
    over = replace(ESTIMATE, usable=2 * 10**9, fits=False)
    assert memory_bar(over, 25).plain.endswith(BEYOND * 5)
    assert BEYOND not in memory_bar(over, 25).plain[:20]
