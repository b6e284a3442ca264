"""Readings of the device and the machine, taken in a thread of their own while a run goes."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import psutil

from tui_finetune.runs.events import ResourcesEvent
from tui_finetune.runs.log import EventLog

INTERVAL_SECONDS = 3.0


class Nvml:
    """NVIDIA's readings of the GPUs that the run sees; of none without the `gpu` extra or a driver."""

    def __init__(self) -> None:
        self._handles: dict[int, object] = {}
        try:
            import pynvml

            pynvml.nvmlInit()
        except Exception:
            # Any failure of the driver's library means the same: these readings can't be had.
            self._library = None
        else:
            self._library = pynvml

    def read(self, number: int, uuid: str) -> dict[str, float]:
        """Percent, degrees Celsius, watts and bytes of a GPU, without what it doesn't tell.

        Args:
            number: the GPU's number for torch, of which some may be hidden from it.
            uuid: what NVIDIA knows it by; '' where torch doesn't say.
        """
        library, readings = self._library, dict[str, float]()
        if library is None:
            return readings
        with contextlib.suppress(library.NVMLError):
            if number not in self._handles:
                by_uuid, by_index = library.nvmlDeviceGetHandleByUUID, library.nvmlDeviceGetHandleByIndex
                self._handles[number] = by_uuid(f"GPU-{uuid}") if uuid else by_index(number)
            handle = self._handles[number]
            asked = {
                "gpu_utilization": lambda: library.nvmlDeviceGetUtilizationRates(handle).gpu,
                "gpu_temperature": lambda: library.nvmlDeviceGetTemperature(handle, library.NVML_TEMPERATURE_GPU),
                "gpu_power": lambda: library.nvmlDeviceGetPowerUsage(handle) / 1000,
            }
            for name, ask in asked.items():
                with contextlib.suppress(library.NVMLError):
                    readings[name] = ask()
        return readings


def read_resources(process: psutil.Process, nvml: Nvml | None = None) -> ResourcesEvent:
    """One reading; `cpu_percent` is of the whole machine, since the last reading. Of several GPUs the names of the second
    one's readings end with '/1', and so on."""
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
        device = torch.cuda.get_device_name()
        several = torch.distributed.is_available() and torch.distributed.is_initialized()
        numbers = range(torch.cuda.device_count()) if several else [torch.cuda.current_device()]
        for place, number in enumerate(numbers):
            suffix = f"/{place}" if place else ""
            readings |= {f"{name}{suffix}": value for name, value in _gpu_readings(number, nvml).items()}
    return ResourcesEvent(readings, device)


def _gpu_readings(number: int, nvml: Nvml | None) -> dict[str, float]:
    import torch

    free, total = torch.cuda.mem_get_info(number)
    readings: dict[str, float] = {
        "gpu_memory_used": total - free,
        "gpu_memory_total": total,
        "gpu_memory_peak": torch.cuda.max_memory_reserved(number),
    }
    if nvml is not None:
        uuid = getattr(torch.cuda.get_device_properties(number), "uuid", "")
        readings |= nvml.read(number, str(uuid) if uuid else "")
    return readings


@contextlib.contextmanager
def watch_resources(log: EventLog) -> Iterator[None]:
    """Write a `resources` event every few seconds while the context lasts."""
    done = threading.Event()

    def work() -> None:
        process, nvml = psutil.Process(), Nvml()
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
