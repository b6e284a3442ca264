"""Whether a model can be trained on this machine by the method that is chosen, in words. Knows no screen."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tui_finetune.config.resolve import Resolved, set_by_somebody
from tui_finetune.config.schema import RunConfig
from tui_finetune.formatting import size
from tui_finetune.models import devices
from tui_finetune.models.choices import choose
from tui_finetune.models.facts import row_length
from tui_finetune.models.methods.choose import method_of
from tui_finetune.planning.estimate import Estimate, estimate

if TYPE_CHECKING:
    from tui_finetune.models.devices import DeviceFacts
    from tui_finetune.models.facts import ModelFacts


@dataclass(frozen=True)
class Fit:
    """Whether it fits, and what to say about it.

    Attributes:
        method: what would be trained, in a few words.
        estimate: what it takes with the settings as they are.
        ways: the same for each method of fine-tuning.
    """

    fits: bool
    words: str
    method: str = ""
    estimate: Estimate | None = None
    ways: tuple[MethodFit, ...] = ()


METHODS = (("full", "Full"), ("lora", "LoRA"), ("qlora", "QLoRA"))
MOST_ROWS = 256
LONGEST = 131_072


@dataclass(frozen=True)
class MethodFit:
    """Whether a method fits, and up to what.

    Attributes:
        name: the method's.
        needed: bytes of memory that it takes, with batch and checkpointing chosen for the device where nobody chose them.
        fits: whether that is there.
        length: tokens of a row, as it is set.
        rows: the most rows of that length that fit at once; 0 where not one does.
        longest: the longest row that fits alone, in tokens; 0 where none does.
    """

    name: str
    needed: int
    fits: bool
    length: int
    rows: int
    longest: int

    def words(self) -> str:
        """As '2.1 GB, up to 32 rows of 512 or 1 of 8,192'."""
        if not self.rows:
            shorter = f"; a row of {self.longest:,} tokens fits" if self.longest else ""
            return f"{size(self.needed)}{shorter}"
        most = f"{self.rows} {'row' if self.rows == 1 else 'rows'} of {self.length:,}"
        longer = f" or 1 of {self.longest:,}" if self.longest > self.length else ""
        return f"{size(self.needed)}, up to {most}{longer}"


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


def ways_of(resolved: Resolved, facts: ModelFacts, device: DeviceFacts) -> tuple[MethodFit, ...]:
    """Whether each method of fine-tuning fits, and up to what batch and length.

    Args:
        resolved: the settings that are chosen; their method counts for nothing.
        facts: the model, of a size that is known.
        device: what it would be trained on.
    """
    length = row_length(resolved.config.max_length, facts.context_length)
    found = []
    for method, name in METHODS:
        with_method = replace(resolved, config=resolved.config.model_copy(update={"method": method}))
        config = choose(with_method, facts, device, length).config
        needed = estimate(config, facts, device=device)

        def fits(rows: int, tokens: int, config: RunConfig = config) -> bool:
            update = {"per_device_train_batch_size": rows, "per_device_eval_batch_size": rows, "max_length": tokens}
            tried = config.model_copy(update=update)
            return estimate(tried, facts, device=device).fits

        rows = _most(lambda rows: fits(rows, length), 1, MOST_ROWS)
        longest = _most(lambda tokens: fits(1, tokens), SHORT, min(facts.context_length or LONGEST, LONGEST))
        found.append(MethodFit(name, needed.needed, needed.fits, length, rows, longest))
    return tuple(found)


SHORT = 128


def _most(fits: Callable[[int], bool], least: int, limit: int) -> int:
    """The largest of least, 2 x least, 4 x least and so on up to a limit that fits; 0 where none does."""
    most = 0
    while least <= limit and fits(least):
        most, least = least, 2 * least
    return limit if most and least > limit and most < limit and fits(limit) else most


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
    ways = ways_of(resolved, facts, device)
    where = "" if device.kind == "cpu" else f" on the {device.name}"
    if needed.fits:
        return Fit(True, f"fits{where}: {needed.memory_words()}", method, needed, ways)
    words = f"does not fit{where} as set: {needed.memory_words()}"
    small = {"per_device_train_batch_size": 1, "per_device_eval_batch_size": 1}
    for changes, named in _THRIFTIER:
        less = estimate(config.model_copy(update={**small, **changes}), facts, device=device)
        if less.fits:
            return Fit(
                False,
                f"{words}. With other settings it would fit: about {size(less.needed)} with {named}",
                method,
                needed,
                ways,
            )
    return Fit(False, words, method, needed, ways)
