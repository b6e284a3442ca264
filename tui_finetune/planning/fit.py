"""Whether all of a model can be trained on this machine, in words. Knows no screen."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tui_finetune.config.schema import RunConfig
from tui_finetune.errors import UserError
from tui_finetune.formatting import size as bytes_in_words
from tui_finetune.models import devices
from tui_finetune.planning.estimate import Estimate, estimate

if TYPE_CHECKING:
    from tui_finetune.models.devices import DeviceFacts
    from tui_finetune.models.facts import ModelFacts


@dataclass(frozen=True)
class Fit:
    """Whether it fits, and what to say about it."""

    fits: bool
    words: str


def _may_have_gpu() -> bool:
    """Whether it is worth the seconds that torch takes to be imported to ask for a GPU."""
    gpus = ("nvidia[0-9]*", "kfd", "dxg")  # NVIDIA's, AMD's, and that of Windows behind WSL
    return sys.platform == "darwin" or any(True for pattern in gpus for _ in Path("/dev").glob(pattern))


def this_device() -> DeviceFacts:
    """The device that training would use."""
    if not _may_have_gpu():
        return devices.cpu_facts()
    from tui_finetune.system.libraries import import_libraries

    import_libraries("torch")
    return devices.device_facts()


def _estimate(config: RunConfig, facts: ModelFacts, device: DeviceFacts) -> Estimate | None:
    try:
        return estimate(config, facts, device=device)
    except UserError:
        return None


def fit_of(config: RunConfig, facts: ModelFacts, device: DeviceFacts) -> Fit | None:
    """Whether training all weights fits, with the settings as they are or with thriftier ones.

    Args:
        config: the settings that are chosen; its model may be another one.
        facts: the model.
        device: what it would be trained on.

    Returns:
        None where the model's size is not known.
    """
    length = config.max_length
    if length is not None and facts.context_length is not None:
        length = min(length, facts.context_length)
    config = config.model_copy(update={"max_length": length})
    needed = _estimate(config, facts, device)
    if needed is None:
        return None
    room = f"{bytes_in_words(device.free)} free" + ("" if device.kind == "cpu" else f" on the {device.name}")
    size = bytes_in_words(needed.memory["total"])
    if needed.fits:
        return Fit(True, f"fits: about {size} of {room}")
    thrifty = config.model_copy(update={"per_device_train_batch_size": 1, "per_device_eval_batch_size": 1})
    for changes, words in (
        ({}, "with batches of 1"),
        ({"gradient_checkpointing": True}, "with batches of 1 and gradient_checkpointing"),
    ):
        less = _estimate(thrifty.model_copy(update=changes), facts, device)
        if less is not None and less.fits:
            thrifty_size = bytes_in_words(less.memory["total"])
            return Fit(False, f"too large as set: about {size}, {room}. Fits {words}: about {thrifty_size}")
    return Fit(False, f"too large: about {size}, {room}")
