"""A method of fine-tuning: what of a model it trains, what it needs, and how a model is made ready for it.

Each method is one class: its own settings, what it can't be combined with, the weights it trains, and how it loads a model
and makes it trainable. Only loading and making ready import torch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from tui_finetune.config.schema import RunConfig, settings
from tui_finetune.formatting import amount
from tui_finetune.models.facts import ModelFacts
from tui_finetune.models.located import LocatedModel
from tui_finetune.system.progress import Report

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from tui_finetune.models.devices import Precision


@dataclass(frozen=True)
class Size:
    """How many weights a method has, and what they take.

    Attributes:
        base: weights of the model itself, tied ones once.
        added: weights of the adapter beside it.
        trained: weights that are trained.
        stored: bytes of all weights in memory, without gradients and optimizer state.
        saved: bytes of the weights in a checkpoint.
    """

    base: int
    added: int
    trained: int
    stored: int
    saved: int


class Method(ABC):
    """A method with the settings of a run.

    Args:
        config: the settings.
    """

    name: ClassVar[str]
    """The value of the setting `method` that it belongs to."""

    def __init__(self, config: RunConfig) -> None:
        self.config = config

    @property
    def settings(self) -> list[str]:
        """The keys of the settings that concern it, and not every method."""
        return [key for key, item in settings().items() if self.name in item.methods]

    @property
    @abstractmethod
    def label(self) -> str:
        """What it is called, with its main number, as 'LoRA, rank 16'."""

    @property
    def quantization(self) -> str:
        """How the model is packed while it is trained: 'none', 'nf4' or 'int8'."""
        return "none"

    @property
    def trains_adapter(self) -> bool:
        """Whether what is trained, saved and loaded is an adapter beside a model that stays as it is."""
        return False

    @property
    def attention(self) -> str | None:
        """How the model attends, as transformers names it; None for its own choice."""
        chosen = self.config.attn_implementation
        return None if chosen == "auto" else chosen

    def base_dtype(self, precision: Precision) -> Precision:
        """The number format that the weights of the model are kept in, where the computation has this precision."""
        return "pure_bf16" if precision == "pure_bf16" else "fp32"

    @abstractmethod
    def check(self, model: LocatedModel) -> None:
        """Refuse what doesn't go together, from the model's small files, before anything is loaded.

        Raises:
            UserError: with the way round.
        """

    @abstractmethod
    def size(self, facts: ModelFacts, precision: Precision = "fp32") -> Size | None:
        """How many weights it has and trains, and what they take; None where the model's size is not known.

        Args:
            facts: the model.
            precision: that of the computation.
        """

    def words(self, facts: ModelFacts) -> str:
        """What is trained, in a few words: 'LoRA, rank 16: 0.9 M of 135 M weights trained'."""
        size = self.size(facts)
        if size is None:
            return self.label
        if size.trained == size.base:
            return f"{self.label}: all {amount(size.base)} weights trained"
        return f"{self.label}: {amount(size.trained)} of {amount(size.base)} weights trained"

    @abstractmethod
    def load(
        self,
        model: LocatedModel,
        *,
        tokenizer: PreTrainedTokenizerBase | None = None,
        precision: Precision = "fp32",
        report: Report | None = None,
    ) -> PreTrainedModel:
        """The model as training begins from it, but for what `prepare` adds; arguments as for `loading.load_model`.

        Raises:
            UserError: it can't be had or can't be trained.
        """

    @abstractmethod
    def prepare(self, loaded: PreTrainedModel, model: LocatedModel) -> PreTrainedModel:
        """Make what `load` gave trainable: freeze what stays, attach an adapter. The same seed gives the same weights, and no
        global random numbers are used up.

        Returns:
            The model, or the PeftModel around it, which has all of its attributes.

        Raises:
            UserError: a setting names nothing in it.
        """
