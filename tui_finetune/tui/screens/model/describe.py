"""What the facts about a model mean, in plain words. Knows no screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui_finetune.formatting import count
from tui_finetune.formatting import size as bytes_in_words

if TYPE_CHECKING:
    from tui_finetune.models.facts import ModelFacts

UNKNOWN = "not known"

_DTYPES = {
    "F64": "fp64", "F32": "fp32", "F16": "fp16", "BF16": "bf16", "F8_E4M3": "fp8", "F8_E5M2": "fp8", "I8": "int8",
    "U8": "int8", "float32": "fp32", "float16": "fp16", "bfloat16": "bf16", "float64": "fp64",
}  # fmt: skip

# Up to so many parameters: what such a model is, what it is good for, and what training all of it takes. The times are
# those of a small data set (a million tokens or so), at about 6 operations for each parameter and token: a laptop's CPU
# does some 1e11 a second, a GPU some 1e14.
_SIZES = (
    (20e6, "Tiny", "Trains in minutes on a CPU. Picks up a style and simple stories; knows next to nothing of the world."),
    (200e6, "Small", "Trains in minutes on a GPU, in hours on a CPU. Good for a style, short texts and trying things out."),
    (1e9, "Modest", "Trains in minutes on a GPU; a CPU takes a day or more. Writes well, follows simple instructions."),
    (4e9, "Medium", "Needs a good GPU. Follows instructions and knows a fair amount."),
    (15e9, "Large", "Needs a data-center GPU to train all of it. Knows much and follows instructions well."),
    (float("inf"), "Very large", "All of it takes several GPUs to train."),
)  # fmt: skip


def meaning_of_size(facts: ModelFacts) -> str:
    """A sentence or two on what a model of this size is good for, and what training it takes."""
    if facts.parameters is None:
        return "Its size is not known, so the memory it needs can't be told."
    word, words = next((word, words) for limit, word, words in _SIZES if facts.parameters < limit)
    return f"{word}. {words}"


def hindrance(facts: ModelFacts) -> str:
    """Why it can't be trained here; '' where nothing speaks against it."""
    if facts.needs_code:
        return "It brings program code of its own, which is never run."
    if not facts.is_causal_lm:
        return "It does not write text from left to right, so it can't be trained here. Choose a causal language model."
    if facts.quantized:
        return "Its weights are stored in a packed format that can't be trained. Take the model it was made from."
    return ""


def dtype_in_words(dtype: str | None) -> str:
    return _DTYPES.get(dtype, dtype.lower()) if dtype else UNKNOWN


def context_in_words(tokens: int | None) -> str:
    """The context length, and about how many English words that is (three words are four tokens)."""
    if tokens is None:
        return UNKNOWN
    words = tokens * 3 // 4
    digits = max(0, len(str(words)) - 2)
    return f"{tokens:,} tokens, ~{round(words, -digits):,} words"


def rows_of_facts(facts: ModelFacts) -> list[tuple[str, str]]:
    """The facts, each with its label, in the order in which they matter."""
    parameters = count(facts.parameters) if facts.parameters is not None else UNKNOWN
    if facts.layers and facts.hidden_size and facts.parameters is not None:
        parameters += f"  ({facts.layers} layers × {facts.hidden_size:,})"
    return [
        ("Parameters", parameters),
        ("Context", context_in_words(facts.context_length)),
        ("Architecture", facts.architecture or facts.model_type or UNKNOWN),
        (
            "Weights",
            f"{dtype_in_words(facts.dtype)}, {bytes_in_words(facts.bytes)} on disk"
            if facts.bytes is not None
            else f"{dtype_in_words(facts.dtype)}, not on this machine",
        ),
        ("Vocabulary", f"{facts.vocab_size:,} tokens" if facts.vocab_size else UNKNOWN),
        ("Chat template", "yes, made for conversation" if facts.chat_template else "no, continues text"),
        ("License", facts.license or UNKNOWN),
    ]
