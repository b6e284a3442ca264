"""How a run computes: the number format, the loss, the attention, the kernels. Decided once, written into the run, said."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tui_finetune.config.schema import SFT, RunConfig
from tui_finetune.errors import Notice, UserError
from tui_finetune.models.choices import DOCUMENTS, Amount
from tui_finetune.models.devices import DeviceFacts, Precision, resolve_precision
from tui_finetune.models.memory import computes_in_chunks

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from tui_finetune.data.prepare import PreparedData
    from tui_finetune.models.facts import ModelFacts
    from tui_finetune.training.loss import ChunkedLoss

SEEN_LATER = frozenset({"precision", "attn_implementation"})
"""Settings that were left to the device when a run of before began, and stand in it as 'auto'."""

_ATTENTION = {
    "sdpa": "SDPA",
    "eager": "plain attention",
    "flash_attention_2": "FlashAttention 2",
    "flex_attention": "flex attention",
}
_OPTIMIZERS = {
    "adamw_torch_fused": "fused AdamW",
    "adamw_torch": "AdamW",
    "adamw_8bit": "8-bit AdamW",
    "paged_adamw_8bit": "paged 8-bit AdamW",
    "paged_adamw_32bit": "paged AdamW",
    "adafactor": "Adafactor",
    "lion": "Lion",
    "muon": "Muon with AdamW",
    "sgd": "SGD",
}


@dataclass(frozen=True)
class Computing:
    """How a run computes.

    Attributes:
        precision: the number format.
        chunked: whether cross-entropy is computed in chunks of tokens.
        config: the run's settings, with all of this decided.
        notices: what is not as it was asked for, or not good.
    """

    precision: Precision
    chunked: bool
    config: RunConfig
    notices: tuple[Notice, ...] = ()

    def told(self, model: PreTrainedModel) -> list[Notice]:
        """What is to be said of it when it begins."""
        return [*self.notices, Notice("info", f"Computing in {self.words(str(model.config._attn_implementation))}.")]

    def words(self, attention: str) -> str:
        """What runs, in a few words: 'bf16, SDPA, fused AdamW'.

        Args:
            attention: the implementation that the model was loaded with.
        """
        precision = {"pure_bf16": "pure bf16", "bf16": "bf16 (weights in fp32)", "fp16": "fp16 (weights in fp32)"}
        parts = [precision.get(self.precision, self.precision), _ATTENTION.get(attention, attention)]
        parts.append(_OPTIMIZERS[self.config.optim])
        extra = {
            "loss in chunks": self.chunked,
            "gradient checkpointing": self.config.gradient_checkpointing,
            "Liger kernels": self.config.use_liger_kernel,
            "torch.compile": self.config.torch_compile,
        }
        return ", ".join(parts + [words for words, on in extra.items() if on])


def decide(config: RunConfig, facts: ModelFacts, device: DeviceFacts, length: int, *, resumed: bool) -> Computing:
    """Decide what nobody chose.

    Args:
        config: the run's settings.
        facts: its model.
        device: what it runs on.
        length: tokens of a full row.
        resumed: whether the run began before. What stands in it as not chosen was then computed in the plain way: in fp32
            on a CPU, the loss at once.

    Raises:
        UserError: a package that is needed is not installed, or the device can't do what was chosen.
    """
    _check_kernels(config, device)
    if resumed and config.precision == "auto" and device.kind == "cpu":
        precision, notice = resolve_precision("fp32", device)
    else:
        precision, notice = resolve_precision(config.precision, device, facts)
    tokens = config.per_device_train_batch_size * length
    if config.chunked_cross_entropy is None and resumed:
        chunked = False
    else:
        chunked = config.task == SFT and computes_in_chunks(config, facts, tokens) and not config.use_liger_kernel
    attention = None if config.attn_implementation == "auto" else config.attn_implementation
    if attention is None and _flash_attention_suits(device, precision):
        attention = "flash_attention_2"
    changes = {
        "precision": precision,
        "chunked_cross_entropy": chunked,
        "gradient_checkpointing": bool(config.gradient_checkpointing),
        "attn_implementation": attention or "auto",
    }
    return Computing(precision, chunked, config.model_copy(update=changes), (notice,) if notice is not None else ())


def amount_of(data: PreparedData) -> Amount:
    """How much data there is."""
    numbers = data.statistics
    what = DOCUMENTS.get(data.format.name if data.format else "text", "examples")
    return Amount(numbers.documents, numbers.train_rows, numbers.eval_rows, what, packed=data.packed)


def loss_of(model: PreTrainedModel, computing: Computing) -> tuple[ChunkedLoss | None, Computing]:
    """What computes the loss in the model's place, and how is computed then; a model that does something of its own with its
    logits computes its loss itself."""
    from tui_finetune.training.loss import chunked_loss

    loss = chunked_loss(model) if computing.chunked else None
    return loss, replace(computing, chunked=loss is not None)


def _check_kernels(config: RunConfig, device: DeviceFacts) -> None:
    if config.use_liger_kernel:
        if device.kind != "cuda":
            raise UserError(
                "Liger kernels need an NVIDIA GPU", "set use_liger_kernel: false", setting="use_liger_kernel"
            )
        if importlib.util.find_spec("liger_kernel") is None:
            raise UserError(
                "use_liger_kernel is on, but the package liger-kernel is not installed",
                'pip install "finetune-tui[kernels]", or set use_liger_kernel: false',
                setting="use_liger_kernel",
            )
    if config.attn_implementation == "flash_attention_2" and (
        device.kind != "cuda" or importlib.util.find_spec("flash_attn") is None
    ):
        raise UserError(
            "FlashAttention needs an NVIDIA GPU and the package flash-attn",
            "set attn_implementation: auto",
            setting="attn_implementation",
        )


def _flash_attention_suits(device: DeviceFacts, precision: Precision) -> bool:
    half = precision != "fp32"
    return device.kind == "cuda" and half and importlib.util.find_spec("flash_attn") is not None
