"""What other tools call the method of fine-tuning: their switches and names, as settings of ours. No setting stands alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from tui_finetune.errors import UserError

Read = Callable[[object], "dict[str, object]"]

_ON, _OFF = frozenset({"true", "1", "yes", "on"}), frozenset({"false", "0", "no", "off"})
_UNSAID = frozenset({"", "none", "null"})


def is_on(name: str, value: object, setting: str = "method") -> bool | None:
    """Whether a switch of another tool is on; None where nothing is said. Raises UserError for anything else."""
    word = "" if value is None else str(value).strip().lower()
    if word in _UNSAID:
        return None
    if word in _ON or word in _OFF:
        return word in _ON
    raise UserError(f"{name}: {value!r} is not allowed", "use true or false", setting)


def _word(value: object) -> str:
    return "" if value is None else str(value).strip().lower()


def _use_peft(value: object) -> dict[str, object]:
    on = is_on("use_peft", value)
    return {} if on is None else {"method": "lora" if on else "full"}


def _adapter(value: object) -> dict[str, object]:
    word = _word(value)
    if word in _UNSAID:
        return {}
    if word in {"lora", "qlora"}:
        return {"method": word}
    raise UserError(f"adapter: {value!r} is not known here", "use lora or qlora", "method")


def _finetuning_type(value: object) -> dict[str, object]:
    word = _word(value)
    if word in _UNSAID:
        return {}
    if word in {"lora", "full", "freeze"}:
        return {"method": "lora" if word == "lora" else "full"}
    raise UserError(f"finetuning_type: {value!r} is not known here", "use full, freeze or lora", "method")


def _packed(name: str, quantization: str) -> Read:
    def read(value: object) -> dict[str, object]:
        return {"quantization": quantization} if is_on(name, value, "quantization") else {}

    return read


def _bits(value: object) -> dict[str, object]:
    word = _word(value)
    if word in _UNSAID:
        return {}
    if word in {"4", "8"}:
        return {"quantization": "nf4" if word == "4" else "int8"}
    raise UserError(f"quantization_bit: {value!r} is not allowed", "use 4 or 8", "quantization")


def _kind(value: object) -> dict[str, object]:
    word = _word(value)
    if word in {*_UNSAID, "nf4"}:
        return {}
    raise UserError(f"bnb_4bit_quant_type: {value!r} is not known here", "use nf4, which loses less", "quantization")


def _all_linear(value: object) -> dict[str, object]:
    return {"lora_target_modules": "all-linear"} if is_on("lora_target_linear", value) else {}


def _whole_modules(value: object) -> dict[str, object]:
    if not value or _word(value) in _UNSAID:
        return {}
    raise UserError(
        f"modules_to_save ({value}) trains whole tables of embeddings, and takes a head that shares them apart",
        "for tokens that were added set trainable_token_indices to their numbers; the head needs no training of its own",
        "trainable_token_indices",
    )


METHOD_NAMES: Mapping[str, Read] = MappingProxyType(
    {
        "use_peft": _use_peft,
        "use_lora": _use_peft,
        "adapter": _adapter,
        "finetuning_type": _finetuning_type,
        "load_in_4bit": _packed("load_in_4bit", "nf4"),
        "load_in_8bit": _packed("load_in_8bit", "int8"),
        "quantization_bit": _bits,
        "bnb_4bit_quant_type": _kind,
        "lora_target_linear": _all_linear,
        "modules_to_save": _whole_modules,
        "lora_modules_to_save": _whole_modules,
        "additional_target": _whole_modules,
    }
)
"""Names of other tools, each with what makes settings of ours of its value."""


LAYERS_WHERE_FROZEN = "2"
"""How many of the last layers LLaMA-Factory trains where it freezes some and is given no number."""


def with_method(result: dict[str, object], given: Mapping[str, object]) -> dict[str, object]:
    """Settings of one layer with what their names say beside each other.

    Where a packed model is asked for and no method, the method is the one for it; where layers are to be frozen and it is
    not said how many, as many as the tool that has this name.

    Args:
        result: the settings under their own names.
        given: the same as they were given.
    """
    packed = str(result.get("quantization", "auto")).strip().lower() in {"nf4", "int8"}
    if packed and "method" not in result:
        result["method"] = "qlora"
    if _word(given.get("finetuning_type")) == "freeze":
        result.setdefault("unfrozen_layers", LAYERS_WHERE_FROZEN)
    return result
