"""What can be made of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tui_finetune.errors import UserError
from tui_finetune.export.dataset import DatasetExport
from tui_finetune.export.gguf.quantize import KINDS
from tui_finetune.export.gguf.target import Gguf
from tui_finetune.export.hub import HubExport
from tui_finetune.export.merged import Merged
from tui_finetune.export.ollama import Ollama
from tui_finetune.export.script.target import Script
from tui_finetune.export.subject import Subject
from tui_finetune.export.target import Forecast, Target
from tui_finetune.formatting import duration, size

TARGETS: Mapping[str, type[Target]] = {
    target.name: target for target in (Merged, Gguf, Ollama, HubExport, Script, DatasetExport)
}
"""By name, in the order in which they are listed."""


@dataclass(frozen=True)
class Offer:
    """Something that can be made of a run, or can't.

    Attributes:
        target: what.
        forecast: what it takes.
        problem: why it can't be made, if it can't.
    """

    target: Target
    forecast: Forecast
    problem: UserError | None = None

    @property
    def name(self) -> str:
        return self.target.label

    @property
    def title(self) -> str:
        return self.target.title

    @property
    def size_words(self) -> str:
        return "-" if self.problem or self.forecast.bytes is None else size(self.forecast.bytes)

    @property
    def time_words(self) -> str:
        return "-" if self.problem or self.forecast.seconds is None else "~" + duration(self.forecast.seconds)


def offers(subject: Subject) -> list[Offer]:
    """Everything that could be made of a run, each with its forecast or why it can't be made. Quick."""
    kinds = [Gguf(kind) for kind in KINDS]
    targets = [kinds if target is Gguf else [target()] for target in TARGETS.values()]
    return [_offer(target, subject) for group in targets for target in group]


def _offer(target: Target, subject: Subject) -> Offer:
    try:
        target.check(subject)
        return Offer(target, target.forecast(subject))
    except UserError as error:
        return Offer(target, Forecast(), error)
