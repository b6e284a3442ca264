"""Tiny models with random weights of the families that people fine-tune."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.tiny import make_tokenizer

_LLAMA: Mapping[str, object] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "bos_token_id": 0,
    "eos_token_id": 0,
    "pad_token_id": 0,
    "use_cache": False,
}
_NEOX = {key: value for key, value in _LLAMA.items() if key != "num_key_value_heads"}

ARCHITECTURES: Mapping[str, Mapping[str, object]] = {
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64, "bos_token_id": 0, "eos_token_id": 0},
    "gpt_neox": _NEOX,
    "llama": _LLAMA,
    "mistral": _LLAMA,
    "qwen2": {**_LLAMA, "tie_word_embeddings": True},
    "qwen3": {**_LLAMA, "head_dim": 8, "tie_word_embeddings": True},
    "gemma2": {**_LLAMA, "head_dim": 8, "query_pre_attn_scalar": 8},
    "gemma3_text": {**_LLAMA, "head_dim": 8, "query_pre_attn_scalar": 8},
    "phi3": _LLAMA,
    "olmo2": _LLAMA,
    "smollm3": _LLAMA,
    "falcon": {**_NEOX, "new_decoder_architecture": False, "multi_query": True, "alibi": False},
    "bloom": {"hidden_size": 32, "n_layer": 2, "n_head": 4, "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0},
    "granite": _LLAMA,
    "starcoder2": _LLAMA,
    "qwen3_moe": {
        **_LLAMA, "head_dim": 8, "moe_intermediate_size": 16, "num_experts": 4, "num_experts_per_tok": 2,
        "decoder_sparse_step": 1, "mlp_only_layers": [],
    },
}  # fmt: skip
"""What a configuration of each family takes to be tiny, by model_type."""


def make_architecture(folder: Path, name: str) -> Path:
    """A model's folder, with a tokenizer of some 300 tokens."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    folder.mkdir(parents=True, exist_ok=True)
    size = len(make_tokenizer(folder))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = AutoConfig.for_model(name, vocab_size=size, **ARCHITECTURES[name])
        AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    return folder
