"""Readings of the device and the machine, taken in a thread of their own while a run goes."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import psutil

from tui_finetune.runs.events import ResourcesEvent
from tui_finetune.runs.log import EventLog

INTERVAL_SECONDS = 3.0


def _nvml_handle() -> object | None:
    """A handle on the first NVIDIA device, or None without the `gpu` extra."""
    try:
        import pynvml

        pynvml.nvmlInit()
        handle: object = pynvml.nvmlDeviceGetHandleByIndex(0)
        return handle
    except Exception:
        # Any failure of the driver's library means the same: these readings can't be had.
        return None


def read_resources(process: psutil.Process, nvml: object | None = None) -> ResourcesEvent:
    """One reading; `cpu_percent` is of the whole machine, since the last reading."""
    import torch

    memory = psutil.virtual_memory()
    readings: dict[str, float] = {
        "cpu_percent": psutil.cpu_percent(),
        "ram_used": memory.total - memory.available,
        "ram_total": memory.total,
        "process_ram": process.memory_info().rss,
    }
    device = ""
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        free, total = torch.cuda.mem_get_info()
        device = torch.cuda.get_device_name()
        readings |= {"gpu_memory_used": total - free, "gpu_memory_total": total}
    if nvml is not None:
        import pynvml

        with contextlib.suppress(pynvml.NVMLError):
            readings["gpu_utilization"] = pynvml.nvmlDeviceGetUtilizationRates(nvml).gpu
            readings["gpu_temperature"] = pynvml.nvmlDeviceGetTemperature(nvml, pynvml.NVML_TEMPERATURE_GPU)
    return ResourcesEvent(readings, device)


@contextlib.contextmanager
def watch_resources(log: EventLog) -> Iterator[None]:
    """Write a `resources` event every few seconds while the context lasts."""
    done = threading.Event()

    def work() -> None:
        process, nvml = psutil.Process(), _nvml_handle()
        psutil.cpu_percent()
        while not done.wait(INTERVAL_SECONDS):
            log.write(read_resources(process, nvml))

    thread = threading.Thread(target=work, name="resources", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
