"""LoRA: the model stays as it is, and small matrices beside its linear layers are trained. With DoRA, rsLoRA and LoRA+."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui_finetune.errors import UserError
from tui_finetune.models.adapters import Adapter
from tui_finetune.models.facts import ModelFacts
from tui_finetune.models.layers import FEED_FORWARD, HEADS, HIDDEN, LAYERS, Linear, computed_weights, linear_layers
from tui_finetune.models.loading import load_model
from tui_finetune.models.located import LocatedModel
from tui_finetune.models.methods.method import Method, Size
from tui_finetune.models.methods.peft_models import attach, continued
from tui_finetune.models.methods.targets import OUTSIDE, check_pattern, fits, is_pattern
from tui_finetune.models.weights import Tensor
from tui_finetune.system.progress import Report

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from tui_finetune.models.devices import Precision

ALL_LINEAR = "all-linear"
OF_ADAPTER = ("lora_r", "lora_alpha", "lora_target_modules", "use_dora", "use_rslora")
"""Settings that an adapter has once it is made."""


class Lora(Method):
    """An adapter in fp32 beside a frozen model in the number format of the computation."""

    name = "lora"

    @property
    def title(self) -> str:
        """What it is called without its numbers."""
        return "LoRA"

    @property
    def label(self) -> str:
        kind = "DoRA" if self.config.use_dora else self.title
        return f"{kind}, rank {self.config.lora_r}"

    @property
    def trains_adapter(self) -> bool:
        return True

    def base_dtype(self, precision: Precision) -> Precision:
        return precision

    @property
    def alpha(self) -> int:
        """What the adapter's output is multiplied by, times its rank."""
        return self.config.lora_alpha or 2 * self.config.lora_r

    @property
    def targets(self) -> str | list[str]:
        """The layers that get an adapter, as peft takes them: a word for all, a regular expression, or names."""
        named = self.config.lora_target_modules
        return (
            named
            if named == ALL_LINEAR or is_pattern(named)
            else [part.strip() for part in named.split(",") if part.strip()]
        )

    @property
    def tokens(self) -> list[int]:
        """The tokens whose embeddings are trained as well; raises UserError where one is no number."""
        words = (self.config.trainable_token_indices or "").split(",")
        try:
            return sorted({int(word) for word in words if word.strip()})
        except ValueError:
            raise UserError(
                f"trainable_token_indices: {self.config.trainable_token_indices!r} has something that is no number",
                "name the numbers of the tokens, with commas between them",
                "trainable_token_indices",
            ) from None

    # Before anything is loaded

    def check(self, model: LocatedModel) -> None:
        facts = model.facts()
        if model.adapter is not None:
            self._check_continues(model.adapter)
        self._check_targets(facts)
        if any(linear.experts > 1 for linear in linear_layers(weights_of(facts))):
            self._check_experts()
        if facts.vocab_size is not None and (
            beyond := [number for number in self.tokens if number >= facts.vocab_size]
        ):
            raise UserError(
                f"trainable_token_indices has {beyond[0]}, but the model has {facts.vocab_size:,} tokens",
                "name numbers below that",
                "trainable_token_indices",
            )

    def _check_targets(self, facts: ModelFacts) -> None:
        if self.targets == ALL_LINEAR:
            return
        linears = linear_layers(weights_of(facts))
        if isinstance(self.targets, str):
            check_pattern(self.targets, linears, [tensor.name for tensor in facts.weights])
            return
        if outside := [name for name in self.targets if name.rpartition(".")[2] in OUTSIDE]:
            shared = facts.tied and not outside[0].startswith("wpe")
            why = " and the model's head shares its weights with them" if shared else ""
            raise UserError(
                f"lora_target_modules names {outside[0]}: tables of embeddings and heads get no adapter{why}",
                "leave it out; for tokens that were added, set trainable_token_indices to their numbers",
                "lora_target_modules",
            )
        known = sorted({linear.name.rpartition(".")[2] for linear in linears})
        for name in self.targets if facts.weights else []:
            if known and not any(matches(linear, name) for linear in linears):
                raise UserError(
                    f"lora_target_modules names {name}, which this model has not",
                    f"its layers are {', '.join(known)}; or set all-linear",
                    "lora_target_modules",
                )

    def _check_experts(self) -> None:
        """Experts lie together in one tensor, where peft can neither leave inputs out nor learn lengths."""
        if self.config.lora_dropout > 0:
            raise UserError(
                "lora_dropout can't be used on a mixture of experts",
                "set lora_dropout: 0, or lora_target_modules to the layers of its attention",
                "lora_dropout",
            )
        if self.config.use_dora:
            raise UserError(
                "DoRA can't be used on a mixture of experts",
                "set use_dora: false, or lora_target_modules to the layers of its attention",
                "use_dora",
            )

    def _check_continues(self, adapter: Adapter) -> None:
        """An adapter that is continued stays what it is."""
        mine = {**self.config.model_dump(include=set(OF_ADAPTER)), "lora_alpha": self.alpha}
        mine["lora_target_modules"] = set(self.config.lora_target_modules.split(","))
        for key, theirs in adapter.settings().items():
            then = set(str(theirs).split(",")) if key == "lora_target_modules" else theirs
            if key in mine and mine[key] != then:
                raise UserError(
                    f"{key} of the adapter in {adapter.folder} is {theirs}, and can't be changed where it is continued",
                    f"leave {key} out; or merge it first: `finetune-tui export {adapter.folder} --to merged`, and train that",
                    key,
                )

    # How large

    def adapted(self, facts: ModelFacts) -> list[Linear]:
        """The linear layers that get an adapter."""
        linears = linear_layers(weights_of(facts))
        if self.targets == ALL_LINEAR:
            return linears
        if isinstance(self.targets, str):
            return [linear for linear in linears if fits(self.targets, linear.name)]
        return [linear for linear in linears if any(matches(linear, name) for name in self.targets)]

    def size(self, facts: ModelFacts, precision: Precision = "fp32") -> Size | None:
        base = facts.parameters
        if base is None:
            return None
        added = sum(
            self.config.lora_r * linear.experts * linear.joined * (linear.inputs + linear.outputs)
            for linear in self.adapted(facts)
        )
        if self.config.use_dora:
            added += sum(linear.outputs for linear in self.adapted(facts))
        added += len(self.tokens) * (facts.hidden_size or 0) * (1 if facts.tied else 2)
        return Size(base, added, added, self.base_bytes(facts, precision) + 4 * added, 4 * added)

    def base_bytes(self, facts: ModelFacts, precision: Precision) -> int:
        """Bytes of the model itself, as it is kept in memory."""
        return (4 if self.base_dtype(precision) == "fp32" else 2) * (facts.parameters or 0)

    # Making it ready

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
            report=report,
        )

    def prepare(self, loaded: PreTrainedModel, model: LocatedModel) -> PreTrainedModel:
        if model.adapter is not None:
            return continued(loaded, model.adapter, dropout=self.config.lora_dropout)
        return attach(
            loaded,
            model,
            seed=self.config.seed,
            tokens=self.tokens,
            r=self.config.lora_r,
            lora_alpha=self.alpha,
            lora_dropout=self.config.lora_dropout,
            target_modules=self.targets,
            use_dora=self.config.use_dora,
            use_rslora=self.config.use_rslora,
        )


def weights_of(facts: ModelFacts) -> tuple[Tensor, ...]:
    """A model's weights by name and shape; where its files told none, those that its other facts let expect."""
    if facts.weights or facts.hidden_size is None:
        return facts.weights
    told = {
        HIDDEN[0]: facts.hidden_size, LAYERS[0]: facts.layers, HEADS[0]: facts.heads, "vocab_size": facts.vocab_size,
        "num_key_value_heads": facts.kv_heads, FEED_FORWARD[0]: facts.intermediate_size, "model_type": facts.model_type,
        "hidden_act": "silu", "tie_word_embeddings": facts.tied,
    }  # fmt: skip
    return computed_weights({key: value for key, value in told.items() if value is not None})


def matches(linear: Linear, name: str) -> bool:
    """Whether a layer is meant by a name, as peft reads it: its whole name, or the end of it."""
    return linear.name == name or linear.name.endswith(f".{name}")
