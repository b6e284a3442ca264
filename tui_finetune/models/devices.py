"""The device that models run on, and the number format that suits it. torch is imported inside."""

from __future__ import annotations

import os
import platform
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import psutil

from tui_finetune.errors import Notice
from tui_finetune.models import bf16
from tui_finetune.system.threads import in_a_passing_thread

if TYPE_CHECKING:
    from tui_finetune.models.facts import ModelFacts

Kind = Literal["cuda", "mps", "cpu"]
Precision = Literal["fp32", "bf16", "fp16", "pure_bf16"]
"""How is computed: in the weights' own fp32; in half precision with weights in fp32 (autocast); in bf16 altogether."""

AMPERE = 8
"""The first CUDA compute capability whose tensor cores compute bf16."""


@dataclass(frozen=True)
class DeviceFacts:
    """What a device is.

    Attributes:
        kind: 'cuda' (also AMD's, through ROCm), 'mps' or 'cpu'.
        total, free: bytes of its memory, the machine's own on a CPU. Of ``free``, what this process keeps but doesn't
            use counts as free.
        count: how many of them there are.
        bf16_good: computing in bf16 is faster there, and not merely possible.
    """

    name: str
    kind: Kind
    total: int
    free: int
    count: int
    bf16_good: bool

    def to_json(self) -> dict[str, object]:
        return asdict(self)


def best_device() -> str:
    """The device that training and generation use, as torch names it: 'cuda', 'mps' or 'cpu'."""
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if torch.backends.mps.is_available():
        return "mps"
    return "cpu"


def _cpu_name() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine() or "CPU"


def usable_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cpu_facts() -> DeviceFacts:
    """The machine itself, without torch.

    bf16 is emulated on most CPUs, and slower there than fp32; whether this one is good at it is known once it was measured
    (`learn_precision`).
    """
    memory, name = psutil.virtual_memory(), _cpu_name()
    good = bf16.remembered(name) is True
    return DeviceFacts(name, "cpu", memory.total, memory.available, usable_cores(), bf16_good=good)


def learn_precision(precision: str, model: ModelFacts) -> None:
    """Measure whether the CPU is good at bf16, once per machine, where the answer matters: the model is wide enough, the
    choice is left to the device, and there is no GPU. To be called before `device_facts` and `cpu_facts` are asked."""
    wide = (model.hidden_size or 0) >= NARROWEST_HALF
    if wide and precision in {"auto", "bf16", "pure_bf16"} and best_device() == "cpu":
        bf16.learn(_cpu_name())


def device_facts() -> DeviceFacts:
    """The device that training will use."""
    import torch

    kind = best_device()
    if kind == "cuda":
        free, total = torch.cuda.mem_get_info()
        free += torch.cuda.memory_reserved() - torch.cuda.memory_allocated()
        return DeviceFacts(
            name=torch.cuda.get_device_name(),
            kind="cuda",
            total=total,
            free=free,
            count=torch.cuda.device_count(),
            bf16_good=torch.cuda.get_device_capability()[0] >= AMPERE and torch.cuda.is_bf16_supported(),
        )
    if kind == "mps":
        total = int(torch.mps.recommended_max_memory())
        used = int(torch.mps.driver_allocated_memory())
        return DeviceFacts(f"{_cpu_name()} (GPU)", "mps", total, max(0, total - used), 1, bf16_good=False)
    return cpu_facts()


NARROWEST_HALF = 512
"""The hidden size from which a CPU that is good at bf16 is faster in it: in narrow models the conversions take more time than
the products save."""


def resolve_precision(
    precision: str, facts: DeviceFacts, model: ModelFacts | None = None
) -> tuple[Precision, Notice | None]:
    """The number format that is used, and a notice where it is not the one asked for, or not a good one.

    Args:
        precision: the setting: 'auto', 'fp32', 'bf16', 'fp16' or 'pure_bf16'.
        facts: the device.
        model: what is trained on it, where that is known.
    """
    if precision == "fp16":
        if facts.kind == "cuda":
            return "fp16", None
        return "fp32", _precision_notice("fp16 needs a GPU: computing in fp32 here")
    if precision in ("bf16", "pure_bf16"):
        chosen: Precision = "bf16" if precision == "bf16" else "pure_bf16"
        if facts.bf16_good:
            return chosen, None
        if facts.kind == "mps" and chosen == "bf16":
            return "fp32", _precision_notice(f"{facts.name} is not good at bf16: computing in fp32")
        return chosen, _precision_notice(f"bf16 is slower than fp32 on {facts.name}")
    narrow = facts.kind == "cpu" and model is not None and (model.hidden_size or 0) < NARROWEST_HALF
    return ("bf16" if precision == "auto" and facts.bf16_good and not narrow else "fp32"), None


def _precision_notice(message: str) -> Notice:
    return Notice("warning", message, "set precision: auto", "precision")


LEAST_PRODUCTS = 5


def measure_speed(seconds: float = 0.3) -> float:
    """Operations a second that products of square matrices reach on the best device, in the format that suits it.

    Args:
        seconds: how long it is measured, after one product to warm up.
    """
    return in_a_passing_thread(lambda: _measure_speed(seconds))


def _measure_speed(seconds: float) -> float:
    import torch

    device, facts = best_device(), device_facts()
    size = 768 if device == "cpu" else 4096
    # A CPU that is good at bf16 computes narrow models in fp32 all the same.
    dtype = torch.bfloat16 if facts.bf16_good and device != "cpu" else torch.float32
    # Not random: the global random numbers are not to be touched.
    left = torch.ones(size, size, device=device, dtype=dtype)
    right = torch.full((size, size), 0.5, device=device, dtype=dtype)
    best, products = 0.0, 0
    end = time.monotonic() + seconds
    # Some at least: the first takes longer, and on a busy machine any one may have to wait.
    while products < LEAST_PRODUCTS or time.monotonic() < end:
        products += 1
        began = time.perf_counter()
        float((left @ right)[0, 0])  # reading a number waits for the device
        best = max(best, 2 * size**3 / (time.perf_counter() - began))
    return best
