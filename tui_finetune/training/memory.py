"""The memory that a run takes and may take, and what helps where it is too little. No torch."""

from __future__ import annotations

import gc
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tui_finetune.config.schema import ADAPTERS, RunConfig
from tui_finetune.formatting import size
from tui_finetune.models.memory import OVERHEAD, USABLE, computes_in_chunks, load_of, peak, peak_of_check
from tui_finetune.runs.result import Remedy
from tui_finetune.system.memory import own_memory

if TYPE_CHECKING:
    from tui_finetune.models.devices import DeviceFacts
    from tui_finetune.models.facts import ModelFacts

WORTHWHILE = 0.95
"""The share of the memory it takes now, without what the libraries take, that a way on may take at most where the memory was
found too small by an error, which doesn't tell by how much."""

SHORTEST = 128
"""Tokens of a row below which no shorter ones are proposed."""


class TooLittleMemory(MemoryError):
    """The run would take more memory than there is.

    Args:
        needed: bytes that it would take.
        usable: bytes that it may.
        measured: whether that was measured, and not only estimated.
    """

    def __init__(self, needed: int, usable: int, *, measured: bool) -> None:
        how = "needs" if measured else "needs about"
        super().__init__(f"the run {how} {size(needed)} of memory, and {size(usable)} are usable")
        self.needed, self.usable = needed, usable


@dataclass(frozen=True)
class MemoryNeeds:
    """A run, and what it takes of a device's memory.

    Attributes:
        config: its settings, with nothing left to choose.
        facts: its model.
        length: tokens of a full row.
        device: what it runs on, and how much of it is free.
    """

    config: RunConfig
    facts: ModelFacts
    length: int
    device: DeviceFacts

    @property
    def usable(self) -> int:
        """Bytes that the run may take: what is free, and on a CPU what this process has of it already."""
        own = own_memory() if self.device.kind == "cpu" else 0
        return int((self.device.free + own) * USABLE)

    @property
    def estimated(self) -> int | None:
        """Bytes that it takes by the formula; None where the model's size isn't known."""
        if self.facts.parameters is None:
            return None
        load = load_of(self.config, self.facts, self.device)
        return peak(self.config, self.facts, load, self.device, self.length)["total"]

    def corrected(self, measured: int | None) -> int | None:
        """Bytes that it takes by what the check took, and what comes after it by the formula: the optimizer's numbers, and
        gradients that stay while the next batch is computed."""
        estimated = self.estimated
        if measured is None or estimated is None:
            return None
        load = load_of(self.config, self.facts, self.device)
        return measured + max(0, estimated - peak_of_check(self.config, self.facts, load, self.device, self.length))

    def changed(self, changes: dict[str, object]) -> MemoryNeeds:
        """The same run with other settings."""
        config = self.config.model_copy(update=changes)
        return replace(self, config=config, length=min(self.length, config.max_length or self.length))


def check_estimate(needs: MemoryNeeds) -> None:
    """Before the model is loaded: raises TooLittleMemory where the formula says that the memory can't suffice.

    On a CPU nothing would be raised later: Linux ends a process that takes too much. Of a GPU the real batch tells.
    """
    needed = needs.estimated
    if needs.device.kind == "cpu" and needed is not None and needed > needs.usable:
        raise TooLittleMemory(needed, needs.usable, measured=False)


def free_memory() -> None:
    """Free what a training that failed has held. Trainer and its callbacks know each other: without this it would stay."""
    gc.collect()
    if (torch := sys.modules.get("torch")) is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()


# What helps


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory was too small."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    # On a CPU, and by some libraries of a GPU, it is a RuntimeError.
    marks = ("DefaultCPUAllocator: can't allocate memory", "CUDA out of memory", "MPS backend out of memory")
    return isinstance(error, RuntimeError) and any(mark in str(error) for mark in marks)


def memory_remedies(error: BaseException, config: RunConfig, needs: MemoryNeeds | None = None) -> list[Remedy]:
    """All that can be done where an error says that memory was too small, what costs least first; of other errors nothing.

    What the run can be resumed with comes before what takes a new one. By the formula, those are left out that would not
    be enough.

    Args:
        error: what ended the run.
        config: the run's configuration.
        needs: the run's memory, where it is known.
    """
    if not is_out_of_memory(error):
        return []
    found = []
    evaluating = any(frame.name == "evaluation_loop" for frame in traceback.extract_tb(error.__traceback__))
    if evaluating and config.per_device_eval_batch_size > 1:
        fewer = config.per_device_eval_batch_size // 2
        found.append(Remedy(f"evaluate {fewer} rows at once", {"per_device_eval_batch_size": fewer}))
    needs = replace(needs, config=config) if needs is not None else None
    limit = _limit(error, needs)
    for remedy in (*_without_loss(config, needs), *_of_all_three(config)):
        if (words := _enough(remedy.changes, needs, limit)) is not None and remedy.changes not in [
            known.changes for known in found
        ]:
            found.append(Remedy(f"{remedy.words}{words}", remedy.changes))
    found.extend(_new_runs(config, needs, limit))
    return found


def _limit(error: BaseException, needs: MemoryNeeds | None) -> float | None:
    """Bytes, by the formula, that a way on may take; None where the formula knows nothing of the model."""
    estimated = needs.estimated if needs is not None else None
    if estimated is None or needs is None:
        return None
    if isinstance(error, TooLittleMemory):
        # What was measured is taken to be as far from the formula with other settings.
        return estimated * error.usable / max(error.needed, 1)
    libraries = OVERHEAD[needs.device.kind]
    return libraries + (estimated - libraries) * WORTHWHILE


def _enough(changes: object, needs: MemoryNeeds | None, limit: float | None) -> str | None:
    """What a run with these changes takes, in words; None where that is too much."""
    if needs is None or limit is None or not isinstance(changes, dict):
        return ""
    needed, now = needs.changed(changes).estimated, needs.estimated
    assert needed is not None
    assert now is not None
    return None if needed > limit else f" ({size(needed)} instead of {size(now)})"


def _without_loss(config: RunConfig, needs: MemoryNeeds | None) -> Iterator[Remedy]:
    """What leaves the result as it is, one change at a time."""
    rows, batches = config.per_device_train_batch_size, config.gradient_accumulation_steps
    # The smallest factor keeps the product exact: 6 x 2 becomes 3 x 4, and 9 x 2 becomes 3 x 6.
    for factor in (n for n in range(2, rows + 1) if rows % n == 0):
        fewer, more = rows // factor, batches * factor
        yield Remedy(
            f"compute {fewer} {'row' if fewer == 1 else 'rows'} at once instead of {rows}, {more} times for a step; the result "
            "stays the same",
            {"per_device_train_batch_size": fewer, "gradient_accumulation_steps": more},
        )
        if needs is None:
            break
    if needs is not None and not computes_in_chunks(config, needs.facts, rows * needs.length):
        yield Remedy("compute the loss in chunks; it takes a seventh more time", {"chunked_cross_entropy": True})
    if not config.gradient_checkpointing:
        yield Remedy(
            "compute parts twice; it takes a third more time, the result stays the same",
            {"gradient_checkpointing": True},
        )


def _of_all_three(config: RunConfig) -> Iterator[Remedy]:
    """All of these together."""
    rows, batches = config.per_device_train_batch_size, config.gradient_accumulation_steps
    if rows > 1 and not config.gradient_checkpointing:
        yield Remedy(
            "compute one row at once, parts of it twice, and the loss in chunks; it takes half as long again",
            {
                "per_device_train_batch_size": 1,
                "gradient_accumulation_steps": rows * batches,
                "gradient_checkpointing": True,
                "chunked_cross_entropy": True,
            },
        )


def _new_runs(config: RunConfig, needs: MemoryNeeds | None, limit: float | None) -> Iterator[Remedy]:
    """What makes another run of it, in a line each."""
    if needs is None:
        yield Remedy("a new run with a smaller max_length or a smaller model", {})
        return
    other: list[dict[str, object]] = []
    if needs.length // 2 >= SHORTEST:
        other.append({"max_length": needs.length // 2})
    if config.method not in ADAPTERS:
        other.append({"method": "lora"})
    if config.method != "qlora":
        other.append({"method": "qlora"})
    ways = []
    for changes in other:
        if (words := _enough(changes, needs, limit)) is not None:
            ways.append(", ".join(f"{key}: {value}" for key, value in changes.items()) + words)
    yield Remedy(f"a new run with {', or '.join(ways) or 'a smaller model'}", {})
