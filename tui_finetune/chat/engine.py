"""A model that answers."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import TYPE_CHECKING

from tui_finetune.chat.prompts import Prompt
from tui_finetune.chat.reply import Reply
from tui_finetune.chat.sampling import Sampling
from tui_finetune.errors import UserError
from tui_finetune.models.located import LocatedModel
from tui_finetune.system.progress import Report

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


class Engine:
    """A model that answers. Use from one thread at a time."""

    def __init__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, name: str) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.name = name

    @classmethod
    def load(cls, model: LocatedModel, report: Report | None = None) -> Engine:
        """Load a model onto the best device, in bf16 where that is good at it.

        Args:
            model: which one.
            report: progress of the download and of the loading; may raise Cancelled.

        Raises:
            UserError: it can't be had.
        """
        from tui_finetune.system.libraries import import_libraries

        import_libraries("torch", "transformers")
        import torch

        from tui_finetune.models.devices import best_device, device_facts
        from tui_finetune.models.loading import load_tokenizer
        from tui_finetune.models.methods.use import load_for_use

        tokenizer, device = load_tokenizer(model), best_device()
        half = device == "cuda" and device_facts().bf16_good
        loaded = load_for_use(model, tokenizer, "bf16" if half else "fp32", report)
        if half and model.adapter is None:
            torch.nn.Module.to(loaded, torch.bfloat16)
        try:
            torch.nn.Module.to(loaded, torch.device(device))
        except torch.OutOfMemoryError as error:
            raise UserError(
                f"{model.name} does not fit into the memory of the {device} device",
                "stop what else uses it, or choose a smaller model",
            ) from error
        return cls(loaded.eval(), tokenizer, model.name)

    @property
    def has_chat_template(self) -> bool:
        """Whether messages are put in the form the model was taught; otherwise they are plain text to continue."""
        return bool(self.tokenizer.chat_template)

    @property
    def has_adapter(self) -> bool:
        """Whether it is a model with an adapter, so that the model can answer without it too."""
        from tui_finetune.models.methods.peft_models import as_adapted

        return as_adapted(self.model) is not None

    def reply(
        self,
        prompt: Prompt,
        sampling: Sampling,
        on_text: Callable[[str], None] | None = None,
        cancelled: Callable[[], bool] = lambda: False,
        *,
        base: bool = False,
    ) -> Reply:
        """Answer, in the caller's thread; see `generate.generate`. With ``base``, as the model does without its adapter."""
        from tui_finetune.chat.generate import generate
        from tui_finetune.models.methods.peft_models import without_adapter

        with without_adapter(self.model) if base else nullcontext():
            return generate(self.model, self.tokenizer, prompt, sampling, on_text, cancelled)
