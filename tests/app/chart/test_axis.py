"""Axes: round numbers at even distances, each in the middle of its cell, and every value within."""

from __future__ import annotations

import itertools
import math
import random

import pytest

from tui_finetune.tui.widgets.chart.axis import Axis, step_axis, value_axis
from tui_finetune.tui.widgets.chart.labels import as_bytes, label_powers, label_steps, label_values, show_value


def is_round(number: float) -> bool:
    """Whether a number is 1, 2, 2.5 or 5 times a power of ten, or a whole multiple of such."""
    size = 10.0 ** (math.floor(math.log10(abs(number))) - 1) if number else 1.0
    return abs(number / size - round(number / size)) < 1e-6


def steps_between(axis: Axis) -> list[int]:
    return [b - a for a, b in itertools.pairwise(sorted(axis.marks))]


@pytest.mark.parametrize("seed", range(5))
def test_ticks_are_round_evenly_apart_and_where_they_belong(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(100):
        low = chance.choice([0.0, chance.uniform(0, 5), chance.uniform(-3, 3), 10 ** chance.uniform(-6, 6)])
        high = low + 10 ** chance.uniform(-5, 5)
        cells = chance.randint(4, 60)
        axis = value_axis(low, high, cells)
        assert axis.dot(low) is not None
        assert axis.dot(high) is not None
        assert len(set(steps_between(axis))) <= 1
        assert len(axis.ticks) >= 2
        distances = [b - a for a, b in itertools.pairwise(axis.ticks)]
        assert is_round(distances[0])
        assert distances == pytest.approx([distances[0]] * len(distances))
        for tick, label in zip(axis.ticks, axis.labels, strict=True):
            cell = axis.dot(tick)
            assert cell is not None
            assert axis.value(cell + 0.5) == pytest.approx(tick, abs=axis.cell * 1e-6)
            assert len(label) <= 11


@pytest.mark.parametrize("seed", range(5))
def test_steps_are_whole_and_the_axis_ends_soon_behind_the_last(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(100):
        low = chance.choice([0, 0, chance.randint(0, 10**6)])
        high = low + chance.choice([4, 7, 60, 100, 999, 12_345, 10**6])
        cells = chance.randint(24, 180)
        axis = step_axis(low, high, cells)
        assert axis.dot(low) == 0
        last = axis.dot(high)
        assert last is not None
        assert last >= (0.7 if cells >= 40 else 0.4) * cells
        assert all(tick == int(tick) for tick in axis.ticks)
        assert len(set(steps_between(axis))) <= 1
        gaps = steps_between(axis)
        assert not gaps or gaps[0] > max(map(len, axis.labels))


def test_a_logarithmic_axis_has_powers_at_even_distances() -> None:
    axis = value_axis(0.3, 10, 14, log=True)
    assert axis.labels == ("0.25", "0.5", "1", "2", "4", "8", "16")
    assert set(steps_between(axis)) == {2}
    narrow = value_axis(1.8, 2.1, 12, log=True)
    assert narrow.labels == ("1.8", "1.9", "2.0", "2.1")
    assert math.isnan(narrow.place(0.0))
    assert narrow.dot(-1.0) is None


@pytest.mark.parametrize(("low", "high"), [(2.0, 2.0), (0.0, 0.0), (1e15, 1e15), (-1e100, 1e100), (1e-12, 1.1e-12)])
@pytest.mark.parametrize("cells", [1, 2, 3, 20])
def test_any_range_has_an_axis(low: float, high: float, cells: int) -> None:
    axis = value_axis(low, high, cells)
    assert axis.dot(low) is not None
    assert axis.dot(high) is not None


def test_labels_show_in_full_what_they_stand_at() -> None:
    assert label_values([1.5, 2.0, 2.5], 0.5) == ("1.5", "2.0", "2.5")
    assert label_values([1.25, 1.5], 0.25) == ("1.25", "1.50")
    assert label_values([20, 40], 20) == ("20", "40")
    assert label_values([0, 1e-4, 2e-4], 1e-4) == ("0", "1e-4", "2e-4")
    assert label_values([0, 5e9], 5e9) == ("0", "5B")
    assert label_steps([0, 20_000, 40_000]) == ("0", "20k", "40k")
    assert label_steps([0, 500_000, 1_000_000]) == ("0", "0.5M", "1M")
    assert label_powers([0.25, 16, 1e-5, 10_000]) == ("0.25", "16", "1e-5", "10k")
    assert as_bytes("1.5B") == "1.5GB"
    assert as_bytes("0") == "0"
    assert [show_value(value) for value in (1.9423, 1.8e-4, 8123.0, math.nan, 0.0)] == [
        "1.942", "1.8e-4", "8.1k", "not a number", "0",
    ]  # fmt: skip
