"""Whether a model can be trained on this machine by the method that is chosen, in words. Knows no screen."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tui_finetune.config.resolve import Resolved, set_by_somebody
from tui_finetune.config.schema import RunConfig
from tui_finetune.formatting import size
from tui_finetune.models import devices
from tui_finetune.models.choices import choose
from tui_finetune.models.facts import row_length
from tui_finetune.models.methods.choose import method_of
from tui_finetune.planning.estimate import estimate

if TYPE_CHECKING:
    from tui_finetune.models.devices import DeviceFacts
    from tui_finetune.models.facts import ModelFacts


@dataclass(frozen=True)
class Fit:
    """Whether it fits, and what to say about it; ``method`` is what would be trained, in a few words."""

    fits: bool
    words: str
    method: str = ""


def may_have_gpu() -> bool:
    """Whether it is worth the seconds that torch takes to be imported to ask for a GPU."""
    gpus = ("nvidia[0-9]*", "kfd", "dxg")  # NVIDIA's, AMD's, and that of Windows behind WSL
    return sys.platform == "darwin" or any(True for pattern in gpus for _ in Path("/dev").glob(pattern))


def this_device() -> DeviceFacts:
    """The device that training would use."""
    if not may_have_gpu():
        return devices.cpu_facts()
    from tui_finetune.system.libraries import import_libraries

    import_libraries("torch")
    return devices.device_facts()


_THRIFTIER: tuple[tuple[dict[str, object], str], ...] = (
    ({}, "per_device_train_batch_size 1"),
    ({"gradient_checkpointing": True}, "per_device_train_batch_size 1 and gradient_checkpointing"),
)
"""What needs less memory and leaves the rest as it is: batches of one row, of which more are accumulated."""


def fit_of(resolved: Resolved | RunConfig, facts: ModelFacts, device: DeviceFacts) -> Fit | None:
    """Whether training it by the method that is chosen fits with the settings as they are, and if not, whether it would with thriftier ones.

    Args:
        resolved: the settings that are chosen, and where they come from; its model may be another one.
        facts: the model.
        device: what it would be trained on.

    Returns:
        None where the model's size is not known.
    """
    if facts.parameters is None:
        return None
    resolved = resolved if isinstance(resolved, Resolved) else set_by_somebody(resolved)
    length = row_length(resolved.config.max_length, facts.context_length)
    config = choose(resolved, facts, device, length).config
    needed = estimate(config, facts, device=device)
    method = method_of(config).words(facts)
    where = "" if device.kind == "cpu" else f" on the {device.name}"
    if needed.fits:
        return Fit(True, f"fits{where}: {needed.memory_words()}", method)
    words = f"does not fit{where} as set: {needed.memory_words()}"
    small = {"per_device_train_batch_size": 1, "per_device_eval_batch_size": 1}
    for changes, named in _THRIFTIER:
        less = estimate(config.model_copy(update={**small, **changes}), facts, device=device)
        if less.fits:
            return Fit(
                False, f"{words}. With other settings it would fit: about {size(less.needed)} with {named}", method
            )
    return Fit(False, words, method)
