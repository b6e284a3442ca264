"""What autograd keeps of a forward pass for the backward one, by family of models. No torch.

Bytes for each token and layer are a sum of widths, each times a number of the family: the hidden size, the width of the
queries (heads x head size), that of the keys, and that of the feed-forward. The numbers are exact: they were solved for
from torch's saved_tensors_hooks on small models of each family (torch 2.13, transformers 5.23, SDPA), and a test does so
again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from tui_finetune.models.facts import ModelFacts


class Widths(NamedTuple):
    """A number for each width of a layer: hidden size, queries, keys, feed-forward."""

    hidden: float
    queries: float
    keys: float
    feed_forward: float


class Family(NamedTuple):
    """Bytes for each unit of width: all weights trained in fp32, in fp32 under bf16 autocast, and in bf16 altogether."""

    fp32: Widths
    autocast: Widths
    bf16: Widths


_LLAMA = Family(Widths(24, 8, 8, 16), Widths(26, 4, 4, 8), Widths(16, 4, 4, 8))

FAMILIES: Mapping[str, Family] = {
    "llama": _LLAMA,
    "mistral": _LLAMA,
    "qwen2": _LLAMA,
    "smollm3": _LLAMA,
    "granite": _LLAMA,
    "qwen3": Family(Widths(24, 16, 16, 16), Widths(26, 10, 10, 8), Widths(16, 10, 10, 8)),
    "gemma": Family(Widths(24, 8, 8, 16), Widths(26, 4, 4, 8), Widths(20, 4, 4, 8)),
    "gemma3_text": Family(Widths(40, 16, 16, 16), Widths(42, 12, 12, 8), Widths(36, 12, 12, 8)),
    "phi3": Family(Widths(28, 12, 12, 16), Widths(22, 6, 6, 8), Widths(18, 6, 6, 8)),
    "phi": Family(Widths(12, 8, 8, 20), Widths(14, 4, 4, 10), Widths(6, 4, 4, 10)),
    "olmo": Family(Widths(16, 8, 8, 16), Widths(18, 4, 4, 8), Widths(12, 4, 4, 8)),
    "olmo2": Family(Widths(24, 16, 16, 16), Widths(26, 12, 12, 8), Widths(20, 12, 12, 8)),
    "starcoder2": Family(Widths(16, 8, 8, 8), Widths(16, 4, 4, 4), Widths(8, 4, 4, 4)),
    "stablelm": Family(Widths(20, 8, 8, 16), Widths(20, 4, 4, 8), Widths(10, 4, 4, 8)),
    "falcon": Family(Widths(28, 2, 2, 9), Widths(16, 1, 1, 5), Widths(14, 1, 1, 5)),
    "gpt_neox": Family(Widths(40, 0, 0, 8), Widths(22, 0, 0, 4), Widths(20, 0, 0, 4)),
    "gpt2": Family(Widths(32, 0, 0, 20), Widths(20, 0, 0, 10), Widths(16, 0, 0, 10)),
    "opt": Family(Widths(32, 0, 0, 4), Widths(24, 0, 0, 2), Widths(16, 0, 0, 2)),
}
"""By the `model_type` of config.json. Others are taken for a Llama, as most are one but for details."""

_GEMMA_3 = FAMILIES["gemma3_text"]

_ALIKE: Mapping[str, Family] = {"gemma2": _GEMMA_3, "gemma3": _GEMMA_3, "qwen3_moe": FAMILIES["qwen3"]}


def family_of(facts: ModelFacts) -> Family:
    """The numbers of a model's family."""
    name = facts.model_type or ""
    return FAMILIES.get(name) or _ALIKE.get(name) or _LLAMA


class Sizes(NamedTuple):
    """The widths of a model's layers, and how many there are."""

    hidden: int
    queries: int
    keys: int
    feed_forward: int
    layers: int


def sizes_of(facts: ModelFacts) -> Sizes:
    """The widths of a model; 0 where its files don't tell, which leaves what they would add out."""
    hidden, heads = facts.hidden_size or 0, facts.heads or 1
    head = facts.head_dim or hidden // heads
    wide = facts.intermediate_size or 4 * hidden
    if facts.active_experts:
        wide *= facts.active_experts
    return Sizes(hidden, heads * head, (facts.kv_heads or heads) * head, wide, facts.layers or 0)


def times(widths: Widths, sizes: Sizes) -> float:
    """The sum of a model's widths, each times its number."""
    return (
        widths.hidden * sizes.hidden
        + widths.queries * sizes.queries
        + widths.keys * sizes.keys
        + widths.feed_forward * sizes.feed_forward
    )
