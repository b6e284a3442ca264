"""The names of settings: ours, and those that other tools have for the same things."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from tui_finetune.config.method_names import METHOD_NAMES, with_method
from tui_finetune.config.schema import settings
from tui_finetune.errors import UserError

COMBINED = ("bf16", "fp16", "train_on_inputs", "train_on_prompt", "mask_prompt", *METHOD_NAMES)
"""Names of other tools that stand for no single setting of ours, or for its opposite."""

_HALVES = ("bf16", "fp16")
_LOSS_MASKS = ("completion_only_loss", "assistant_only_loss")
_ON, _OFF = frozenset({"true", "1", "yes", "on"}), frozenset({"false", "0", "no", "off"})
_UNSAID = frozenset({"", "none", "null"})


def key_of(name: str) -> str:
    """The key that a name, alias or flag stands for; raises UserError, with the nearest name, where there is none."""
    known = settings()
    plain = name.replace("-", "_")
    if plain in known:
        return plain
    names = {alias: key for key, item in known.items() for alias in item.aliases}
    if plain in names:
        return names[plain]
    nearest = difflib.get_close_matches(plain, [*known, *names], n=1, cutoff=0.6)
    remedy = f"did you mean '{nearest[0]}'?" if nearest else "`finetune-tui train --help` lists the settings"
    raise UserError(f"there is no setting '{name}'", remedy)


def canonical(values: Mapping[str, object], where: str = "") -> dict[str, object]:
    """The same settings under their own names.

    Args:
        values: settings by key, alias or flag name.
        where: the file they are from, for messages.

    Raises:
        UserError: a name is not known, or two names set one thing differently.
    """
    try:
        return _canonical(values)
    except UserError as error:
        if not where:
            raise
        raise UserError(f"{where}: {error.message}", error.remedy, error.setting) from None


def _canonical(values: Mapping[str, object]) -> dict[str, object]:
    result: dict[str, object] = {}
    halves: dict[str, object] = {}
    for given, value in values.items():
        name = str(given).replace("-", "_")
        if name in _HALVES:
            halves[name] = value
            continue
        for key, one in _meant(name, str(given), value).items():
            _add(result, key, one)
    if (precision := _precision(halves, result.get("precision"))) is not None:
        _add(result, "precision", precision)
    return with_method(result, values)


def _meant(name: str, given: str, value: object) -> dict[str, object]:
    """What one entry asks for, as settings of ours."""
    if name in METHOD_NAMES:
        return METHOD_NAMES[name](value)
    return _loss_masks(name, value) if name in COMBINED else {key_of(given): value}


def _add(result: dict[str, object], key: str, value: object) -> None:
    """Take a value for a key; raises UserError where it has another one already."""
    before = result.get(key, value)
    if key == "method" and {str(before), str(value)} == {"lora", "qlora"}:
        result[key] = "qlora"  # qlora is a kind of lora, and other tools say both
        return
    if key == "warmup_steps" and _is_zero(value) != _is_zero(before):
        # Other tools have two settings for it, and write 0 for the one that is not used.
        result[key] = before if _is_zero(value) else value
        return
    if not _same(before, value):
        raise UserError(f"'{key}' is set twice, differently", "keep one of the two", key)
    result[key] = value


def _number(value: object) -> float | None:
    try:
        return float(str(value))
    except ValueError:
        return None


def _is_zero(value: object) -> bool:
    return _number(value) == 0


def _same(one: object, other: object) -> bool:
    """Whether two values as they were given are one; YAML reads 1e-4 as text."""
    number = _number(one)
    return one == other or (number is not None and number == _number(other))


def _switch(name: str, value: object, setting: str) -> bool | str | None:
    """A switch of another tool: True, False, 'auto', or None where nothing is said."""
    word = "" if value is None else str(value).strip().lower()
    if word in _UNSAID or word == "auto":
        return word if word == "auto" else None
    if word in _ON or word in _OFF:
        return word in _ON
    raise UserError(f"{name}: {value!r} is not allowed", "use true, false, auto", setting)


def _precision(halves: Mapping[str, object], chosen: object) -> object:
    """The precision that bf16 and fp16 ask for together; None where they ask for nothing.

    One that is switched off asks for fp32 only where nothing else asks for a precision.

    Args:
        halves: what is given for bf16 and fp16.
        chosen: what is given for precision itself.
    """
    said = {name: _switch(name, value, "precision") for name, value in halves.items()}
    on = [name for name, value in said.items() if value is True]
    if len(on) > 1:
        raise UserError("bf16 and fp16 are both on", "keep one of the two", "precision")
    if on:
        return on[0]
    if "auto" in said.values():
        return "auto"
    off = [name for name, value in said.items() if value is False]
    return "fp32" if off and (chosen is None or str(chosen) in off) else None


def _loss_masks(name: str, value: object) -> dict[str, object]:
    """What train_on_inputs and its like ask for, as settings of ours."""
    on = _switch(name, value, _LOSS_MASKS[0])
    if not isinstance(on, bool):
        return {}
    return dict.fromkeys(_LOSS_MASKS, on if name == "mask_prompt" else not on)
