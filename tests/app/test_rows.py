"""Numbers beside the chart: which are left out first, what a GPU shows, and its strip of readings."""

from __future__ import annotations

from tui_finetune.runs.events import ResourcesEvent
from tui_finetune.runs.state import RunState
from tui_finetune.tui.screens.training.device import resource_rows
from tui_finetune.tui.screens.training.rows import Row, heat_strip, side_by_side, stacked


def state_of(*readings: dict[str, float]) -> RunState:
    state = RunState()
    state.apply_all(ResourcesEvent(each) for each in readings)
    return state


def test_a_gpu_shows_load_heat_power_memory_and_a_strip() -> None:
    gpu = {
        "gpu_utilization": 97.0, "gpu_temperature": 71.0, "gpu_power": 250.0, "gpu_memory_used": 12e9,
        "gpu_memory_total": 80e9, "gpu_memory_peak": 30e9, "process_ram": 2e9, "ram_total": 64e9, "cpu_percent": 5.0,
    }  # fmt: skip
    rows = resource_rows(state_of(*[{**gpu, "gpu_utilization": float(load)} for load in (0, 50, 100)], gpu))
    text = stacked(rows, 60, 20).plain
    assert "gpu       97 %  71 °C  250 W" in text
    assert "▁▄▇▇" in text
    assert "gpu mem   12.0 GB  of 80.0 GB  peak 30.0 GB" in text
    assert "memory    2.0 GB  of 64.0 GB" in text
    assert "cpu" not in text


def test_several_gpus_have_a_row_each() -> None:
    reading = {"gpu_utilization": 1.0, "gpu_utilization/1": 2.0, "gpu_utilization/10": 3.0}
    assert [row.label for row in resource_rows(state_of(reading))] == ["gpu ", "gpu 1", "gpu 10"]


def test_what_matters_least_is_left_out_first() -> None:
    rows = [Row("a", "1"), Row("b", "2", rank=5), Row("c", "3", rank=1), Row("d", "4")]
    assert stacked(rows, 20, 3).plain.split() == ["a", "1", "c", "3", "d", "4"]
    assert side_by_side(rows, 36, 1).plain.split() == ["a", "1", "d", "4"]
    assert stacked(rows, 20, 0).plain == ""
    assert heat_strip((), 10).plain == ""
