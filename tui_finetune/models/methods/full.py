"""Full fine-tuning: all weights are trained, or those of the last layers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tui_finetune.errors import UserError
from tui_finetune.models.facts import ModelFacts
from tui_finetune.models.layers import layer_number
from tui_finetune.models.loading import load_model
from tui_finetune.models.located import LocatedModel
from tui_finetune.models.methods.method import Method, Size
from tui_finetune.models.methods.peft_models import merged
from tui_finetune.system.progress import Report

if TYPE_CHECKING:
    from collections.abc import Iterable

    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from tui_finetune.models.devices import Precision

_FINAL_NORM = re.compile(r"(^|\.)(norm|ln_f|final_layer_?norm)\.")


class Full(Method):
    """All weights in fp32. Of an adapter, those of its model with the adapter merged into them."""

    name = "full"

    @property
    def label(self) -> str:
        wanted = self.config.unfrozen_layers
        if wanted == "all":
            return "full"
        return f"full, last {wanted} layers" if wanted.isdigit() else f"full, {wanted}"

    def check(self, model: LocatedModel) -> None:
        if self.config.quantization in {"nf4", "int8"}:
            raise UserError(
                "packed weights can't be trained themselves",
                "set method: qlora to train an adapter on them, or quantization: none",
                "quantization",
            )
        facts = model.facts()
        if self.config.unfrozen_layers != "all" and facts.weights:
            self._trained([weight.name for weight in facts.weights], facts.layers)

    def _trained(self, names: Iterable[str], layers: int | None) -> set[str]:
        """Which of these weights are trained; raises UserError where none is."""
        names, wanted = list(names), self.config.unfrozen_layers
        if wanted == "all":
            return set(names)
        if wanted.isdigit():
            count = int(wanted)
            total = layers or 1 + max((layer_number(name) or 0 for name in names), default=0)
            if not 0 < count <= total:
                raise UserError(
                    f"unfrozen_layers is {count}, but the model has {total} layers",
                    f"name a number from 1 to {total}, or all",
                    "unfrozen_layers",
                )
            found = {
                name for name in names if (layer_number(name) or 0) >= total - count and layer_number(name) is not None
            }
            return found | {name for name in names if layer_number(name) is None and _FINAL_NORM.search(name)}
        try:
            patterns = [re.compile(part.strip()) for part in wanted.split(",") if part.strip()]
        except re.error as error:
            raise UserError(
                f"unfrozen_layers: {wanted!r} is no pattern ({error})",
                "name how many of the last layers",
                "unfrozen_layers",
            ) from None
        found = {name for name in names if any(pattern.search(name) for pattern in patterns)}
        if not found:
            example = next(iter(names), "")
            raise UserError(
                f"no weight's name has {wanted!r} in it",
                f"the names are such as {example}; or name how many of the last layers",
                "unfrozen_layers",
            )
        return found

    def size(self, facts: ModelFacts, precision: Precision = "fp32") -> Size | None:
        total = facts.parameters
        if total is None:
            return None
        trained = total
        if self.config.unfrozen_layers != "all":
            try:
                names = self._trained([weight.name for weight in facts.weights], facts.layers)
            except UserError:
                names = set()  # said by `check`
            trained = sum(weight.size for weight in facts.weights if weight.name in names)
        return Size(base=total, added=0, trained=trained, stored=4 * total, saved=4 * total)

    def load(
        self,
        model: LocatedModel,
        *,
        tokenizer: PreTrainedTokenizerBase | None = None,
        precision: Precision = "fp32",
        report: Report | None = None,
    ) -> PreTrainedModel:
        checkpointing = self.config.gradient_checkpointing
        loaded = load_model(
            model,
            tokenizer=tokenizer,
            gradient_checkpointing=checkpointing,
            dtype=self.base_dtype(precision),
            attention=self.attention,
            report=report,
        )
        return merged(loaded, model.adapter) if model.adapter is not None else loaded

    def prepare(self, loaded: PreTrainedModel, model: LocatedModel) -> PreTrainedModel:
        if self.config.unfrozen_layers != "all":
            weights = dict(loaded.named_parameters())
            trained = self._trained(weights, model.facts().layers)
            for name, weight in weights.items():
                weight.requires_grad_(name in trained)
        return loaded
