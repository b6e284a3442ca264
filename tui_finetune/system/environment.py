"""What must stand in the environment of a process before torch starts in it.

torch's OpenMP threads spin while they wait for each other. Two runs at once on two cores, 100 steps each, take 23 to 140
seconds where libgomp decides how long, and 14 where they spin for a thousand rounds; a run alone takes the same in both.

Where several GPUs are visible to one process, transformers.Trainer would wrap the model in DataParallel and so change
batch and steps without a word. So one is chosen, and which and why is kept in the environment, where child processes
find it too.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SPIN_ROUNDS = "1000"
CHOICE = "FINETUNE_TUI_GPU"
"""The variable that keeps which GPU was chosen and why, in words."""

_VISIBLE = "CUDA_VISIBLE_DEVICES"
_BEFORE = "FINETUNE_TUI_GPUS"
"""The variable that keeps what CUDA_VISIBLE_DEVICES was before one of them was chosen."""

_ASK_SECONDS = 10.0


@dataclass(frozen=True)
class Gpu:
    """An NVIDIA GPU.

    Attributes:
        id: what CUDA_VISIBLE_DEVICES takes: its UUID, or its number where that is not known.
        name: of the model.
        free: bytes of its memory that nobody uses; None where that is not known.
    """

    id: str
    name: str
    free: int | None = None


def prepare_environment(environ: MutableMapping[str, str] | None = None) -> None:
    """Keep OpenMP's threads from spinning for long, unless the user has decided about that. To be called first of all."""
    environ = os.environ if environ is None else environ
    if "OMP_WAIT_POLICY" not in environ:
        environ.setdefault("GOMP_SPINCOUNT", SPIN_ROUNDS)


def choose_gpu(
    environ: MutableMapping[str, str] | None = None, installed: Callable[[], Sequence[Gpu]] | None = None
) -> None:
    """Make one GPU visible where several are. To be called before torch starts CUDA; does nothing the second time.

    What the user has set counts: one device stays, of several the first is taken. A process that is one of several of a
    run is left alone: its launcher has decided.

    Args:
        environ: the environment; the process's own if left out.
        installed: the GPUs that there are; the machine's own if left out.
    """
    environ = os.environ if environ is None else environ
    if several_here(environ):
        return
    asked = environ.get(_VISIBLE)
    if asked is not None:
        listed = [part.strip() for part in asked.split(",") if part.strip()]
        if len(listed) > 1:
            environ[_BEFORE], environ[_VISIBLE] = asked, listed[0]
            environ[CHOICE] = f"Of the GPUs in CUDA_VISIBLE_DEVICES, one is used: the first, {listed[0]}."
        return
    gpus = (installed or installed_gpus)()
    if len(gpus) < 2:
        return
    best = max(gpus, key=lambda gpu: gpu.free or 0)
    environ[_BEFORE], environ[_VISIBLE] = "", best.id
    why = f"the one with the most free memory ({best.free / 1e9:.1f} GB)" if best.free is not None else "the first"
    environ[CHOICE] = f"Of the {len(gpus)} GPUs here, one is used: {best.name}, {why}."


def several_here(environ: Mapping[str, str] | None = None) -> bool:
    """Whether a launcher has made this process as one of several of a run."""
    number = (os.environ if environ is None else environ).get("WORLD_SIZE", "")
    return number.isdigit() and int(number) > 1


def visible_gpus(
    gpus: str | None = None, environ: MutableMapping[str, str] | None = None, devices: Path = Path("/dev")
) -> int:
    """How many NVIDIA GPUs a run may use, without asking the driver.

    Args:
        gpus: those that the user wants, by number, as '0,2'; None for all.
        environ: the environment; the process's own if left out.
        devices: the directory in which Linux has a file for each.
    """
    asked = gpus if gpus is not None else _visible_before(os.environ if environ is None else environ)
    there = sum(path.name[6:].isdigit() for path in devices.glob("nvidia[0-9]*"))
    return there if asked is None else min(there, len(_listed(asked)))


def choose_gpus(
    count: int,
    gpus: str | None = None,
    environ: MutableMapping[str, str] | None = None,
    installed: Callable[[], Sequence[Gpu]] | None = None,
) -> str | None:
    """What CUDA_VISIBLE_DEVICES has to be for the processes of a run; None where it is good as it is.

    Args:
        count: how many processes there are, a GPU each.
        gpus: those that the user wants, by number, as '0,2'; None for those with the most free memory.
        environ: the environment; the process's own if left out.
        installed: the GPUs that there are; the machine's own if left out.
    """
    environ = os.environ if environ is None else environ
    before = _visible_before(environ)
    if gpus is not None:
        return ",".join(_listed(gpus))
    if before is not None:
        return ",".join(_listed(before)[:count])
    found = (installed or installed_gpus)()
    if len(found) < 2:
        return None
    freest = sorted(range(len(found)), key=lambda place: -(found[place].free or 0))[:count]
    return ",".join(found[place].id for place in sorted(freest))


def _listed(gpus: str) -> list[str]:
    return [part.strip() for part in gpus.split(",") if part.strip()]


def _visible_before(environ: MutableMapping[str, str]) -> str | None:
    """What CUDA_VISIBLE_DEVICES was before one was chosen for this process."""
    return environ.get(_BEFORE) or None if CHOICE in environ else environ.get(_VISIBLE)


def gpu_choice(environ: MutableMapping[str, str] | None = None) -> str:
    """Which GPU was chosen among several and why, in a sentence; '' where there was no choice."""
    return (os.environ if environ is None else environ).get(CHOICE, "")


def installed_gpus(devices: Path = Path("/dev")) -> list[Gpu]:
    """The machine's NVIDIA GPUs. Where there are several, they are asked for their free memory.

    Args:
        devices: the directory in which Linux has a file for each.
    """
    numbers = sorted(int(path.name[6:]) for path in devices.glob("nvidia[0-9]*") if path.name[6:].isdigit())
    if len(numbers) < 2:
        return [Gpu(str(number), "GPU") for number in numbers]
    return _from_nvml() or _from_nvidia_smi() or [Gpu(str(place), f"GPU {place}") for place in range(len(numbers))]


def _from_nvml() -> list[Gpu]:
    try:
        import pynvml
    except ImportError:
        return []
    try:
        pynvml.nvmlInit()
        try:
            handles = [pynvml.nvmlDeviceGetHandleByIndex(place) for place in range(pynvml.nvmlDeviceGetCount())]
            return [
                Gpu(
                    _text(pynvml.nvmlDeviceGetUUID(handle)),
                    _text(pynvml.nvmlDeviceGetName(handle)),
                    int(pynvml.nvmlDeviceGetMemoryInfo(handle).free),
                )
                for handle in handles
            ]
        finally:
            pynvml.nvmlShutdown()
    except pynvml.NVMLError:
        return []


def _text(value: object) -> str:
    """Names are bytes in older versions of pynvml."""
    return value.decode() if isinstance(value, bytes) else str(value)


def _from_nvidia_smi() -> list[Gpu]:
    command = ["nvidia-smi", "--query-gpu=uuid,name,memory.free", "--format=csv,noheader,nounits"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=_ASK_SECONDS, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return parse_nvidia_smi(told)


def parse_nvidia_smi(told: str) -> list[Gpu]:
    """The GPUs in its answer: a line each with UUID, name and free MiB."""
    gpus = []
    for line in told.splitlines():
        identity, _, rest = line.partition(",")
        name, _, free = rest.rpartition(",")
        if identity.strip():
            mebibytes = free.strip()
            gpus.append(Gpu(identity.strip(), name.strip(), int(mebibytes) << 20 if mebibytes.isdigit() else None))
    return gpus
