"""What is known about a model from the small files in its folder. Quick, and without torch."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tui_finetune.config.yaml_text import parse_yaml
from tui_finetune.errors import UserError
from tui_finetune.models.layers import (
    CONTEXT,
    EXPERTS_USED,
    FEED_FORWARD,
    HEADS,
    HIDDEN,
    LAYERS,
    computed_weights,
    first_number,
)
from tui_finetune.models.weights import (
    INDEX_FILE,
    SINGLE_FILE,
    Tensor,
    count_parameters,
    parameters_of,
    read_weights,
    weight_files,
)

DEFAULT_MAX_LENGTH = 1024
"""Tokens in a training row where neither the settings nor the model's limit say less."""

MAX_JSON_BYTES = 64_000_000
MAX_CARD_BYTES = 1_000_000

# Models that fill in blanks, or whose causal variant doesn't predict the next token: they load as language models and
# learn nothing of use.
NOT_CAUSAL = frozenset({
    "albert", "bert", "big_bird", "camembert", "canine", "convbert", "data2vec-text", "deberta", "deberta-v2",
    "distilbert", "electra", "ernie", "esm", "flaubert", "funnel", "ibert", "layoutlm", "longformer", "luke",
    "megatron-bert", "mobilebert", "modernbert", "mpnet", "mra", "nezha", "nystromformer", "qdqbert", "rembert",
    "roberta", "roberta-prelayernorm", "roc_bert", "roformer", "splinter", "squeezebert", "tapas", "xlm",
    "xlm-roberta", "xlm-roberta-xl", "xlnet", "xmod", "yoso",
})  # fmt: skip
_CAUSAL_ENDINGS = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration", "DoubleHeadsModel", "Model")


@dataclass(frozen=True)
class ModelFacts:
    """What a model is. None where its files don't tell.

    Attributes:
        parameters: tied weights counted once.
        context_length: tokens that it can see at once.
        dtype: the number format of the weights in the files, as 'F32' or 'BF16'.
        bytes: size of the weights on disk.
        head_dim: the width of a head, where it is not hidden_size / heads.
        active_experts: of a mixture of experts, how many compute a token.
        chat_template: whether it knows how to hold a conversation.
        license: as its model card gives it.
        is_causal_lm: whether it writes text from left to right, and so can be trained here.
        needs_code: whether it brings program code of its own, which is never run.
        tied: whether the output layer is the input embedding.
        quantized: whether its weights are stored in a format that can't be trained.
        weights: its parameters, each with name and shape: those in its files, or where these are not here those that its
            config.json lets expect; none where it says too little.
    """

    name: str
    architecture: str | None = None
    model_type: str | None = None
    parameters: int | None = None
    context_length: int | None = None
    vocab_size: int | None = None
    hidden_size: int | None = None
    intermediate_size: int | None = None
    layers: int | None = None
    heads: int | None = None
    kv_heads: int | None = None
    head_dim: int | None = None
    active_experts: int | None = None
    tied: bool = True
    attention_dropout: bool = False
    dtype: str | None = None
    bytes: int | None = None
    chat_template: bool = False
    license: str | None = None
    is_causal_lm: bool = True
    needs_code: bool = False
    quantized: bool = False
    weights: tuple[Tensor, ...] = field(default=(), repr=False, compare=False)

    def to_json(self) -> dict[str, Any]:
        return {key: value for key, value in asdict(self).items() if key != "weights"}


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file, {} where there is none."""
    try:
        if path.stat().st_size > MAX_JSON_BYTES:
            return {}
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def row_length(max_length: int | None, limit: int | None) -> int:
    """The tokens in a full training row.

    Args:
        max_length: the setting; None for the usual.
        limit: the tokens that the model can see at once; None where it has no limit.
    """
    return max_length or min(limit or DEFAULT_MAX_LENGTH, DEFAULT_MAX_LENGTH)


def _drops_attention(config: Mapping[str, Any]) -> bool:
    """Whether attention has dropout; GPT-2's has where its config.json says nothing."""
    default = 0.1 if config.get("model_type") == "gpt2" else 0.0
    values = [config[name] for name in ("attention_dropout", "attn_pdrop") if name in config] or [default]
    return any(isinstance(value, (int, float)) and value > 0 for value in values)


def is_causal(config: Mapping[str, Any]) -> bool:
    """Whether a model's config.json says that it predicts the next token."""
    if config.get("is_encoder_decoder"):
        return False
    if config.get("model_type") in NOT_CAUSAL:
        return bool(config.get("is_decoder"))
    architectures = config.get("architectures") or []
    return not architectures or any(str(name).endswith(_CAUSAL_ENDINGS) for name in architectures)


def _said(lines: Sequence[str], key: str) -> str:
    """What front matter says of a key, as it is written; of a list, which may be on lines of its own, the items."""
    for number, line in enumerate(lines):
        if line.startswith(f"{key}:"):
            items = itertools.takewhile(lambda item: item.lstrip().startswith("- "), lines[number + 1 : number + 10])
            listed = ", ".join(item.lstrip().removeprefix("- ").strip() for item in items)
            return line.removeprefix(f"{key}:").strip() or (f"[{listed}]" if listed else "")
    return ""


def _license(folder: Path) -> str | None:
    """The license in the front matter of the model card."""
    try:
        with (folder / "README.md").open("rb") as file:
            text = file.read(MAX_CARD_BYTES).decode("utf-8", "replace").lstrip("\ufeff")
    except OSError:
        return None
    lines = text.splitlines()
    if not lines or lines[0].strip() != "---":
        return None
    end = next((number for number, line in enumerate(lines[1:], 1) if line.strip() == "---"), None)
    if end is None:
        return None
    # Only the lines about the license, whatever else there is: a few others can stand for gigabytes.
    about = [f"{key}: {said}" for key in ("license", "license_name") if (said := _said(lines[1:end], key))]
    try:
        content = parse_yaml("\n".join(about), "README.md")
    except UserError:
        return None
    value = content.get("license")
    if value == "other" and content.get("license_name"):
        value = content["license_name"]
    if isinstance(value, list):
        value = ", ".join(str(item) for item in value)
    return str(value) if value else None


def has_chat_template(folder: Path) -> bool:
    return any((folder / name).is_file() for name in ("chat_template.jinja", "chat_template.json")) or bool(
        read_json(folder / "tokenizer_config.json").get("chat_template")
    )


def facts_from(name: str, config: Mapping[str, Any], folder: Path | None = None) -> ModelFacts:
    """The facts in a config.json, and in the other files of its folder where there is one."""
    parameters = dtype = size = None
    weights = computed_weights(config)
    tied = bool(config.get("tie_word_embeddings", True))
    if folder is not None and any((folder / file).is_file() for file in (SINGLE_FILE, INDEX_FILE)):
        try:
            tensors = read_weights(folder)
            parameters = count_parameters(tensors, tied=tied)
            weights = parameters_of(tensors, tied=tied)
            counts: Counter[str] = Counter()
            for tensor in tensors:
                counts[tensor.dtype] += tensor.size
            dtype = counts.most_common(1)[0][0] if counts else None
            size = sum(path.stat().st_size for path in weight_files(folder))
        except (UserError, OSError):
            pass  # a file that is not whole is said when it is loaded; here it is only not counted
    return ModelFacts(
        name=name,
        architecture=next((str(item) for item in config.get("architectures") or []), None),
        model_type=config.get("model_type"),
        parameters=parameters if parameters is not None else sum(tensor.size for tensor in weights) or None,
        context_length=first_number(config, CONTEXT),
        vocab_size=first_number(config, ("vocab_size",)),
        hidden_size=first_number(config, HIDDEN),
        intermediate_size=first_number(config, FEED_FORWARD),
        layers=first_number(config, LAYERS),
        heads=first_number(config, HEADS),
        kv_heads=first_number(config, ("num_key_value_heads",)),
        head_dim=first_number(config, ("head_dim",)),
        active_experts=first_number(config, EXPERTS_USED),
        tied=tied,
        attention_dropout=_drops_attention(config),
        dtype=dtype or (str(found) if (found := config.get("dtype") or config.get("torch_dtype")) else None),
        bytes=size,
        chat_template=folder is not None and has_chat_template(folder),
        license=_license(folder) if folder is not None else None,
        is_causal_lm=is_causal(config),
        needs_code="AutoModelForCausalLM" in (config.get("auto_map") or {}),
        quantized=bool(config.get("quantization_config")),
        weights=weights,
    )
