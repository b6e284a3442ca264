"""QLoRA: LoRA on a model whose linear layers are packed into 4 or 8 bits, by bitsandbytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui_finetune.errors import UserError
from tui_finetune.models.facts import ModelFacts
from tui_finetune.models.layers import linear_layers
from tui_finetune.models.loading import load_model
from tui_finetune.models.located import LocatedModel
from tui_finetune.models.methods.lora import Lora, weights_of
from tui_finetune.models.quantization import check_installed, packed_bytes, packing
from tui_finetune.system.progress import Report

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from tui_finetune.models.devices import Precision


class QLora(Lora):
    """An adapter in fp32 beside a model that is packed and frozen."""

    name = "qlora"

    @property
    def title(self) -> str:
        return "QLoRA" if self.quantization == "nf4" else "8-bit LoRA"

    @property
    def quantization(self) -> str:
        return "int8" if self.config.quantization == "int8" else "nf4"

    def check(self, model: LocatedModel) -> None:
        if self.config.quantization == "none":
            raise UserError(
                "method is qlora, but quantization is none", "set method: lora, or quantization: nf4", "quantization"
            )
        if self.config.use_dora and self.quantization == "int8":
            raise UserError(
                "DoRA can't be used on a model packed as int8", "set use_dora: false, or quantization: nf4", "use_dora"
            )
        if any(linear.experts > 1 for linear in linear_layers(weights_of(model.facts()))):
            raise UserError(
                "the experts of this model lie in one tensor, which bitsandbytes can't pack",
                "set method: lora, which leaves it as it is",
                "quantization",
            )
        check_installed(self.quantization)
        super().check(model)

    def base_bytes(self, facts: ModelFacts, precision: Precision) -> int:
        linears = linear_layers(weights_of(facts))
        packed = sum(linear.weights for linear in linears)
        other = (facts.parameters or 0) - packed
        return other * (4 if precision == "fp32" else 2) + sum(
            packed_bytes(linear.weights, linear.outputs, self.quantization, double=self.config.double_quantization)
            for linear in linears
        )

    def load(
        self,
        model: LocatedModel,
        *,
        tokenizer: PreTrainedTokenizerBase | None = None,
        precision: Precision = "fp32",
        report: Report | None = None,
    ) -> PreTrainedModel:
        return load_model(
            model,
            tokenizer=tokenizer,
            gradient_checkpointing=self.config.gradient_checkpointing,
            attention=self.attention,
            dtype=self.base_dtype(precision),
            quantization=packing(self.quantization, precision, double=self.config.double_quantization),
            report=report,
        )
