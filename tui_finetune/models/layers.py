"""The layers of a model, by the names and shapes of its weights: what its config.json lets expect, and which are linear.

No torch, and nothing is loaded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tui_finetune.models.weights import Tensor

# The names that families of models have for the same thing.
CONTEXT = (
    "max_position_embeddings", "n_positions", "n_ctx", "max_seq_len", "max_sequence_length", "seq_length",
    "max_context_length",
)  # fmt: skip
HIDDEN = ("hidden_size", "n_embd", "d_model", "dim", "model_dim")
LAYERS = ("num_hidden_layers", "n_layer", "num_layers", "n_layers")
HEADS = ("num_attention_heads", "n_head", "num_heads", "n_heads")
EXPERTS_USED = ("num_experts_per_tok", "num_experts_per_token", "moe_topk")
EXPERTS = ("num_local_experts", "num_experts")
FEED_FORWARD = ("intermediate_size", "n_inner", "ffn_dim", "ffn_hidden_size", "hidden_dim")


def first_number(config: Mapping[str, Any], names: tuple[str, ...]) -> int | None:
    """The first of these keys that has a positive number, also in the part about text of a model of several kinds."""
    for part in (config, config.get("text_config")):
        if isinstance(part, Mapping):
            for name in names:
                value = part.get(name)
                if isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0:
                    return int(value)
    return None


def computed_weights(config: Mapping[str, Any]) -> tuple[Tensor, ...]:
    """The weights that a plain decoder of these shapes has; none where config.json says too little.

    Embeddings (once more for an output layer of its own), and for each layer the four attention projections, with
    fewer keys and values where heads share them, a feed-forward of two matrices, or three where it is gated, one for each
    expert, and two norms.
    """
    hidden, layers = first_number(config, HIDDEN), first_number(config, LAYERS)
    vocabulary = first_number(config, ("vocab_size",))
    if hidden is None or layers is None or vocabulary is None:
        return ()
    heads = first_number(config, HEADS) or 1
    kv_heads = first_number(config, ("num_key_value_heads",)) or heads
    head = first_number(config, ("head_dim",)) or hidden // heads
    experts = first_number(config, EXPERTS) or 1
    wide = first_number(config, FEED_FORWARD) or 4 * hidden
    if experts > 1:
        wide = first_number(config, ("moe_intermediate_size",)) or wide
    gated = config.get("hidden_act") in {"silu", "swish"} or str(config.get("model_type")).startswith("gemma")
    queries, keys = heads * head, kv_heads * head
    shapes = {
        "self_attn.q_proj": (queries, hidden),
        "self_attn.k_proj": (keys, hidden),
        "self_attn.v_proj": (keys, hidden),
        "self_attn.o_proj": (hidden, queries),
        **_feed_forward(hidden, wide, experts, gated=gated),
        "input_layernorm": (hidden,),
        "post_attention_layernorm": (hidden,),
    }
    tables = {"embed_tokens.weight": (vocabulary, hidden), "norm.weight": (hidden,)}
    if positions := config.get("n_positions"):
        tables["wpe.weight"] = (int(positions), hidden)
    if not config.get("tie_word_embeddings", True):
        tables["lm_head.weight"] = (vocabulary, hidden)
    inside = (
        Tensor(f"layers.{number}.{name}.weight", "F32", shape)
        for number in range(layers)
        for name, shape in shapes.items()
    )
    return (*(Tensor(name, "F32", shape) for name, shape in tables.items()), *inside)


def _feed_forward(hidden: int, wide: int, experts: int, *, gated: bool) -> dict[str, tuple[int, ...]]:
    if experts > 1:
        both = 2 * wide if gated else wide
        return {"mlp.experts.gate_up_proj": (experts, both, hidden), "mlp.experts.down_proj": (experts, hidden, wide)}
    shapes: dict[str, tuple[int, ...]] = {"mlp.up_proj": (wide, hidden), "mlp.down_proj": (hidden, wide)}
    return {"mlp.gate_proj": (wide, hidden), **shapes} if gated else shapes


@dataclass(frozen=True)
class Linear:
    """A linear layer.

    Attributes:
        name: of its module, as 'layers.0.self_attn.q_proj'.
        inputs, outputs: the width of what goes in and comes out.
        experts: how many of them lie in one.
        joined: how many matrices of an expert lie in one; peft gives their adapter as many times the rank.
    """

    name: str
    inputs: int
    outputs: int
    experts: int = 1
    joined: int = 1

    @property
    def weights(self) -> int:
        return self.inputs * self.outputs * self.experts


_IN_LAYERS = re.compile(r"(^|\.)\d+\.")
_EXPERT = re.compile(r"(.*\.experts)\.\d+\.(gate_proj|up_proj|down_proj|w1|w2|w3)\.weight$")
_JOINED = {"gate_proj": "gate_up_proj", "up_proj": "gate_up_proj", "w1": "gate_up_proj", "w3": "gate_up_proj",
           "down_proj": "down_proj", "w2": "down_proj"}  # fmt: skip


def linear_layers(weights: Iterable[Tensor]) -> list[Linear]:
    """The linear layers of a model: the matrices in its layers, and so neither embeddings nor head.

    Experts lie in files one by one, and in the model together: all of a layer in one, what goes in (gate and up) joined.
    """
    weights = list(weights)
    # GPT-2 keeps its matrices the other way round. Its first one makes three of one, so it tells.
    turned = any(t.name.endswith("attn.c_attn.weight") and t.shape[-1] > t.shape[0] for t in weights)
    layers: list[Linear] = []
    experts: dict[tuple[str, str], list[Tensor]] = {}
    for tensor in weights:
        if found := _EXPERT.match(tensor.name):
            experts.setdefault((found[1], _JOINED[found[2]]), []).append(tensor)
        elif _IN_LAYERS.search(tensor.name) and tensor.name.endswith(".weight") and 2 <= len(tensor.shape) <= 3:
            *several, outputs, inputs = tensor.shape
            outputs, inputs = (inputs, outputs) if turned else (outputs, inputs)
            name, experts_in_one = tensor.name.removesuffix(".weight"), several[0] if several else 1
            joined = 2 if several and name.endswith("gate_up_proj") else 1
            layers.append(Linear(name, inputs, outputs, experts_in_one, joined))
    return [*layers, *_joined(experts)]


def _joined(experts: Mapping[tuple[str, str], list[Tensor]]) -> Iterator[Linear]:
    for (module, name), tensors in experts.items():
        outputs, inputs = tensors[0].shape
        parts = 2 if name == "gate_up_proj" else 1
        yield Linear(f"{module}.{name}", inputs, outputs * parts, len(tensors) // parts, parts)


def layer_number(name: str) -> int | None:
    """The number of the layer that a weight is in; None for embeddings, head and what else is outside."""
    found = re.search(r"(?:^|\.)(\d+)\.", name)
    return int(found[1]) if found else None
