"""A model's config.json, looked at before anything is made of it: it comes from strangers."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tui_finetune.errors import UserError
from tui_finetune.models.layers import CONTEXT, FEED_FORWARD, HEADS, HIDDEN, LAYERS, first_number

MAX_CONFIG_BYTES = 4_000_000
MAX_DEPTH = 20
MAX_NUMBER = 10**15
"""Also stands for no limit in some: of positions, as of characters."""

_MOST: Mapping[str, int] = {
    **dict.fromkeys(LAYERS, 10_000),
    **dict.fromkeys(HEADS, 100_000),
    **dict.fromkeys((*HIDDEN, *FEED_FORWARD, "head_dim", "num_key_value_heads"), 10_000_000),
    **dict.fromkeys(("vocab_size",), 100_000_000),
    **dict.fromkeys(CONTEXT, MAX_NUMBER),
}
_KINDS: Mapping[str, tuple[type, str]] = {
    "model_type": (str, "text"), "architectures": (list, "a list"), "torch_dtype": (str, "text"), "dtype": (str, "text"),
    "auto_map": (dict, "an object"), "rope_scaling": (dict, "an object"), "rope_parameters": (dict, "an object"),
    "tie_word_embeddings": (bool, "true or false"), "is_decoder": (bool, "true or false"),
    "is_encoder_decoder": (bool, "true or false"), "quantization_config": (dict, "an object"),
    "text_config": (dict, "an object"),
}  # fmt: skip
_DTYPES = frozenset(
    {"float32", "float16", "bfloat16", "float64", "float8_e4m3fn", "float8_e5m2", "auto", "int8", "uint8"}
)
_HEADS_DIVIDE = frozenset({"llama", "mistral", "gpt2", "opt", "gpt_neox", "bloom", "falcon", "phi", "qwen2", "gptj"})
"""Families whose heads share the hidden size evenly."""


def checked_config(path: Path) -> dict[str, Any]:
    """What a config.json says.

    Raises:
        UserError: it can't be read, is too large, or says what no model can be.
    """
    content = _read(path)
    for where, value in _numbers(content):
        if isinstance(value, float) and not math.isfinite(value):
            raise _wrong(path, f"{where} is not finite")
        if abs(value) > MAX_NUMBER and isinstance(value, int):
            raise _wrong(path, f"{where} is a number of {len(str(abs(value))):,} digits")
    for part in (content, content.get("text_config")):
        if isinstance(part, dict):
            _check_values(path, part)
    return content


def _read(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > MAX_CONFIG_BYTES:
            raise _wrong(path, f"it has more than {MAX_CONFIG_BYTES // 1_000_000} MB")
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise UserError(
            f"{path}: {(error.strerror or str(error)).lower()}",
            "check that the file is there and that you may read it",
            "model_name_or_path",
        ) from None
    except RecursionError:
        raise _wrong(path, "nested too deeply") from None
    except json.JSONDecodeError as error:
        raise _wrong(path, f"not valid JSON (line {error.lineno}, column {error.colno})") from None
    except ValueError:  # bytes that are no text, a number of thousands of digits
        raise _wrong(path, "a value in it can't be read") from None
    if not isinstance(content, dict):
        raise _wrong(path, "no JSON object")
    if _depth(content) > MAX_DEPTH:
        raise _wrong(path, "nested too deeply")
    return content


def _check_values(path: Path, config: Mapping[str, Any]) -> None:
    for key, (kind, words) in _KINDS.items():
        value = config.get(key)
        if value is not None and not isinstance(value, kind):
            raise _wrong(path, f"{key} is {_shown(value)}, where {words} belongs")
    if not all(isinstance(name, str) for name in config.get("architectures") or []):
        raise _wrong(path, "architectures is no list of names")
    for key in ("dtype", "torch_dtype"):
        name = str(config.get(key) or "float32").removeprefix("torch.")
        if name not in _DTYPES:
            raise _wrong(path, f"{key} is {_shown(name)}, which is no number format of weights")
    for key, most in _MOST.items():
        values = config.get(key)
        for value in values if isinstance(values, list) else [values]:
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= most:
                raise _wrong(path, f"{key} is {_shown(value)}, where a number from 0 to {most:,} belongs")
    hidden, heads = first_number(config, HIDDEN), first_number(config, HEADS)
    if config.get("model_type") in _HEADS_DIVIDE and hidden and heads and not config.get("head_dim") and hidden % heads:
        raise _wrong(path, f"{heads} heads can't share a hidden size of {hidden} evenly")


def _numbers(value: object, where: str = "it") -> Iterator[tuple[str, int | float]]:
    """All numbers, each with its key."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _numbers(item, str(key)[:60])
    elif isinstance(value, list):
        for item in value:
            yield from _numbers(item, where)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield where, value


def _depth(value: object) -> int:
    depth, level = 0, [value]
    while level and depth <= MAX_DEPTH + 1:
        depth += 1
        level = [
            item
            for one in level
            if isinstance(one, (dict, list))
            for item in (one.values() if isinstance(one, dict) else one)
        ]
    return depth


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:60]}…"


def _wrong(path: Path, what: str) -> UserError:
    return UserError(f"{path}: {what}", "copy or download the model again, or choose another", "model_name_or_path")
