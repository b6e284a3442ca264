"""Folders of models of any size that take no room: real headers, and weights that are a hole in the file."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path
from typing import Any

BYTES = {"F32": 4, "BF16": 2}


def write_model(
    folder: Path,
    *,
    hidden: int = 64,
    layers: int = 2,
    vocabulary: int = 1000,
    context: int = 512,
    dtype: str = "F32",
    chat: bool = False,
    license: str = "",
    **config: Any,
) -> Path:
    """Write what save_pretrained leaves of a Llama, without a tokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    values = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "vocab_size": vocabulary,
        "intermediate_size": 4 * hidden,
        "num_attention_heads": 4,
        "max_position_embeddings": context,
        "tie_word_embeddings": True,
        **config,
    }
    (folder / "config.json").write_text(json.dumps(values))
    (folder / "tokenizer_config.json").write_text(json.dumps({"chat_template": "{{ messages }}"} if chat else {}))
    if license:
        (folder / "README.md").write_text(f"---\nlicense: {license}\n---\n")
    shapes = {"model.embed_tokens.weight": (vocabulary, hidden)}
    for layer in range(layers):
        shapes[f"model.layers.{layer}.mlp.up_proj.weight"] = (16 * hidden, hidden)
    header, end = {}, 0
    for name, shape in shapes.items():
        size = math.prod(shape) * BYTES[dtype]
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    with (folder / "model.safetensors").open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        file.truncate(8 + len(text) + end)
    return folder


def write_cached_model(hub: Path, name: str, **values: Any) -> Path:
    """The same, in the hub's cache, as if it had been downloaded."""
    repository = hub / "hub" / f"models--{name.replace('/', '--')}"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("0" * 40)
    return write_model(repository / "snapshots" / ("0" * 40), **values)
