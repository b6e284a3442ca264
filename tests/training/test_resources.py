"""Readings of devices: those of NVIDIA's library where it is there, of the GPU that torch means, and nothing where it fails."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
import torch

from tui_finetune.training.resources import Nvml, read_resources


class NVMLError(Exception):
    """The library's own error."""


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """NVIDIA's library with a GPU that doesn't tell its power."""

    def no_power(handle: str) -> float:
        raise NVMLError

    made = SimpleNamespace(
        NVMLError=NVMLError,
        NVML_TEMPERATURE_GPU=0,
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByUUID=lambda uuid: uuid,
        nvmlDeviceGetHandleByIndex=lambda number: f"number {number}",
        nvmlDeviceGetUtilizationRates=lambda handle: SimpleNamespace(gpu=97 if handle == "GPU-abc" else 3),
        nvmlDeviceGetTemperature=lambda handle, kind: 71,
        nvmlDeviceGetPowerUsage=no_power,
    )
    monkeypatch.setitem(sys.modules, "pynvml", made)
    return made


def test_the_gpu_is_the_one_that_torch_means_and_what_it_does_not_tell_is_left_out(library: SimpleNamespace) -> None:
    nvml = Nvml()
    assert nvml.read(0, "abc") == {"gpu_utilization": 97, "gpu_temperature": 71}
    assert nvml.read(1, "")["gpu_utilization"] == 3
    library.nvmlDeviceGetPowerUsage = lambda handle: 250_400
    assert nvml.read(0, "abc")["gpu_power"] == pytest.approx(250.4)


def test_without_the_library_or_its_driver_there_are_no_such_readings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert Nvml().read(0, "abc") == {}


def test_a_run_on_several_gpus_has_readings_of_each(monkeypatch: pytest.MonkeyPatch, library: SimpleNamespace) -> None:
    cuda: dict[str, Any] = {
        "is_available": lambda: True,
        "is_initialized": lambda: True,
        "get_device_name": lambda: "H100",
        "device_count": lambda: 2,
        "mem_get_info": lambda number: (30 + number, 80),
        "max_memory_reserved": lambda number: 60 + number,
        "get_device_properties": lambda number: SimpleNamespace(uuid="abc" if number == 0 else "def"),
    }
    for name, value in cuda.items():
        monkeypatch.setattr(torch.cuda, name, value)
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    event = read_resources(psutil.Process(), Nvml())
    assert event.device == "H100"
    assert event.readings["gpu_memory_used"] == 50
    assert event.readings["gpu_memory_used/1"] == 49
    assert event.readings["gpu_memory_peak/1"] == 61
    assert (event.readings["gpu_utilization"], event.readings["gpu_utilization/1"]) == (97, 3)
    assert event.readings["process_ram"] > 0
