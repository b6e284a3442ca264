"""Whether a CPU is good at bf16: measured once per machine, in a fraction of a second, and remembered.

Every CPU can compute in bf16; those with avx512_bf16 or AMX do it faster than in fp32, the others several times slower. What
decides is a product as training computes it, with the conversions that autocast makes. It counts for wide models alone
(`devices.NARROWEST_HALF`): in narrow ones the conversions take more time than the products save, and small models, the
starter among them, are to give the same losses to the last digit on every machine.
"""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tui_finetune.system.files import write_atomically
from tui_finetune.system.paths import state_dir
from tui_finetune.system.threads import in_a_passing_thread

if TYPE_CHECKING:
    import torch

GOOD = 0.75
"""The share of the time in fp32 that a product in bf16 may take where a CPU counts as good at it."""

ROWS, WIDE = 512, 1024
TRIES = 5


def remembered_path() -> Path:
    """Where it is remembered."""
    return state_dir() / "bf16.json"


def remembered(cpu: str) -> bool | None:
    """Whether a CPU of that name is good at bf16; None where that was not measured."""
    try:
        content: object = json.loads(remembered_path().read_bytes())
    except (OSError, ValueError):
        return None
    ratio = content.get(cpu) if isinstance(content, dict) else None
    return ratio <= GOOD if isinstance(ratio, (int, float)) else None


def learn(cpu: str) -> bool:
    """Whether this machine's CPU is good at bf16, measured where it is not remembered. Needs torch.

    Args:
        cpu: its name.
    """
    if (known := remembered(cpu)) is not None:
        return known
    ratio = round(in_a_passing_thread(_measure), 3)
    with contextlib.suppress(OSError):  # then it is measured again
        remembered_path().parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(remembered_path(), json.dumps({cpu: ratio}))
    return ratio <= GOOD


def _measure() -> float:
    """The time of a product in bf16, conversions included, as a share of that in fp32."""
    import torch

    # Not random: the global random numbers are not to be touched.
    left, right = torch.full((ROWS, WIDE), 0.5), torch.full((WIDE, WIDE), 0.25)
    best = {torch.float32: float("inf"), torch.bfloat16: float("inf")}
    for _ in range(TRIES):
        # By turns, so that a busy machine is as hard on the one as on the other.
        for dtype in best:
            best[dtype] = min(best[dtype], _product(left, right, dtype))
    return best[torch.bfloat16] / best[torch.float32]


def _product(left: torch.Tensor, right: torch.Tensor, dtype: torch.dtype) -> float:
    began = time.perf_counter()
    (left.to(dtype) @ right.to(dtype)).float()
    return time.perf_counter() - began
