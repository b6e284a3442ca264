"""What a run takes of its devices, as rows of numbers."""

from __future__ import annotations

from collections.abc import Mapping

from tui_finetune.formatting import size
from tui_finetune.runs.state import RunState
from tui_finetune.tui.screens.training.rows import Row

STRIP_READINGS = 60
"""Readings that a heat strip shows at most."""


def resource_rows(state: RunState) -> list[Row]:
    """The newest reading: each GPU with its own strip of what came before; without one the CPU. The memory is this run's own
    where that is known."""
    if not state.resources:
        return []
    readings = state.resources[-1].readings
    rows: list[Row] = []
    gpus = _gpus(readings)
    for suffix in gpus:
        rows += _gpu_rows(state, readings, suffix, f"gpu {suffix[1:]}" if len(gpus) > 1 else "gpu")
    if not gpus and (busy := readings.get("cpu_percent")) is not None:
        rows.append(Row("cpu", f"{busy:.0f} %", gauge=busy / 100, group=4, rank=3))
    return rows + _memory("memory", readings.get("process_ram"), readings.get("ram_total"), rank=2)


def _gpus(readings: Mapping[str, float]) -> list[str]:
    """What the names of the readings of each GPU end with, in their order: nothing, '/1', '/2'."""
    names = ("gpu_utilization", "gpu_memory_used")
    found = {name[len(start) :] for start in names for name in readings if name.startswith(start)}
    return sorted((suffix for suffix in found if suffix == "" or suffix[1:].isdigit()), key=lambda s: int(s[1:] or 0))


def _gpu_rows(state: RunState, readings: Mapping[str, float], suffix: str, label: str) -> list[Row]:
    rows: list[Row] = []

    def number(name: str) -> float | None:
        return readings.get(f"gpu_{name}{suffix}")

    if (busy := number("utilization")) is not None:
        notes = []
        if (heat := number("temperature")) is not None:
            notes.append(f"{heat:.0f} °C")
        if (power := number("power")) is not None:
            notes.append(f"{power:.0f} W")
        rows.append(Row(label, f"{busy:.0f} %", "  ".join(notes), gauge=busy / 100, group=4, rank=1))
        rows += _heat(state, f"gpu_utilization{suffix}")
    peak = number("memory_peak")
    note = f"peak {size(peak)}" if peak is not None else ""
    return rows + _memory(f"{label} mem", number("memory_used"), number("memory_total"), note, rank=1)


def _memory(label: str, used: float | None, whole: float | None, note: str = "", *, rank: int) -> list[Row]:
    if used is None or not whole:
        return []
    note = "  ".join(part for part in (f"of {size(whole)}", note) if part)
    return [Row(label, size(used), note, gauge=used / whole, group=4, rank=rank)]


def _heat(state: RunState, name: str) -> list[Row]:
    """A strip of the last readings, where there are some."""
    shares = [reading.readings[name] / 100 for reading in state.resources[-STRIP_READINGS:] if name in reading.readings]
    return [Row("", "", group=4, rank=6, heat=tuple(shares))] if len(shares) > 2 else []
