"""From what was asked for to a RunConfig: flags beat the file, the file the preset, the preset the model's settings.

Everything is checked here, before anything is loaded: unknown keys, bad values, values out of bounds.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from tui_finetune.config.presets import preset
from tui_finetune.config.schema import RunConfig, Setting, settings
from tui_finetune.errors import UserError

MODEL_SETTINGS_FILE = "finetune-tui.yaml"
"""The file in a model's folder with the settings that suit this model."""

MAX_CONFIG_BYTES = 1_000_000


@dataclass(frozen=True)
class Resolved:
    """A configuration and where each of its values comes from.

    ``origins`` maps a key to 'flag', 'file', 'form', 'preset NAME' or 'model'; keys that are not in it have their
    default.
    """

    config: RunConfig
    origins: dict[str, str] = field(default_factory=dict)
    preset: str = "default"

    def origin(self, key: str) -> str:
        return self.origins.get(key, "default")


def key_of(name: str, known: Mapping[str, Setting] | None = None) -> str:
    """The key that a name, alias or flag stands for; raises UserError, with the nearest name, where there is none."""
    known = known or settings()
    plain = name.replace("-", "_")
    if plain in known:
        return plain
    names = {alias: key for key, item in known.items() for alias in item.aliases} | dict.fromkeys(known, "")
    if plain in names:
        return names[plain]
    nearest = difflib.get_close_matches(plain, names, n=1, cutoff=0.6)
    remedy = f"did you mean '{nearest[0]}'?" if nearest else "`finetune-tui train --help` lists the settings"
    raise UserError(f"there is no setting '{name}'", remedy)


COMBINED = ("bf16", "fp16", "train_on_inputs", "train_on_prompt", "mask_prompt")
"""Names of other tools that stand for no single setting of ours, or for its opposite."""

_LOSS_MASKS = ("completion_only_loss", "assistant_only_loss")


def _is_on(value: Any) -> bool | None:
    """Whether a switch is on; None for auto, or where it is none of the usual words."""
    word = str(value).strip().lower()
    return True if word in {"true", "1", "yes", "on"} else False if word in {"false", "0", "no", "off"} else None


def _meant(name: str, value: Any, known: Mapping[str, Setting]) -> dict[str, Any]:
    """A pair as another tool may write it, as settings of ours; none where it asks for nothing."""
    if name not in COMBINED:
        return {key_of(name, known): value}
    on = _is_on(value)
    if name in {"bf16", "fp16"}:
        if str(value).strip().lower() == "auto":
            return {"precision": "auto"}
        return {"precision": name} if on else {}
    if on is None:
        if value is None or str(value).strip().lower() in {"", "auto", "none"}:
            return {}
        raise UserError(f"{name}: {value!r} is not allowed", "use true, false", setting=_LOSS_MASKS[0])
    return dict.fromkeys(_LOSS_MASKS, on if name == "mask_prompt" else not on)


def canonical(values: Mapping[str, Any], where: str = "") -> dict[str, Any]:
    """The same settings under their own names.

    Args:
        values: settings by key, alias or flag name.
        where: the file they are from, for messages.

    Raises:
        UserError: a name is not known, or two names set one thing differently.
    """
    known = settings()
    result: dict[str, Any] = {}
    for name, value in values.items():
        try:
            pairs = _meant(str(name).replace("-", "_"), value, known)
        except UserError as error:
            message = f"{where}: {error.message}" if where else error.message
            raise UserError(message, error.remedy, error.setting) from None
        for key, meant in pairs.items():
            if key in result and result[key] != meant:
                raise UserError(
                    f"{where + ': ' if where else ''}'{key}' is set twice, differently", "keep one of the two"
                )
            result[key] = meant
    return result


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file; raises UserError for whatever is wrong with it."""
    try:
        if path.stat().st_size > MAX_CONFIG_BYTES:
            raise UserError(f"{path}: too large for a configuration", "name a YAML file with settings")
        text = path.read_bytes().decode("utf-8-sig")
        content = yaml.safe_load(text)
    except FileNotFoundError:
        raise UserError(
            f"{path}: no such file", "check the path; `finetune-tui train` alone uses the starter"
        ) from None
    except IsADirectoryError:
        raise UserError(f"{path} is a directory", "name the YAML file in it") from None
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}", "check the file's permissions") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: byte {error.start} is not UTF-8", "save the file as UTF-8") from None
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "not YAML"
        raise UserError(f"{path}{line}: {problem}", "a configuration has one `key: value` a line") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise UserError(f"{path}: no mapping of settings", "a configuration has one `key: value` a line")
    return content


def make_config(values: Mapping[str, Any]) -> RunConfig:
    """A checked RunConfig from values by key; raises UserError that names the setting and what is allowed."""
    try:
        return RunConfig.model_validate(dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0])
        item = settings()[key]
        given = values.get(key)
        raise UserError(
            f"{key}: {item.show(given) if not isinstance(given, str) else repr(given)} is not allowed",
            f"use {item.allowed}; the default is {item.show(item.default)}",
            setting=key,
        ) from None


def resolve(
    flags: Mapping[str, Any] | None = None,
    file: Mapping[str, Any] | None = None,
    *,
    preset_name: str | None = None,
    model_settings: Mapping[str, Any] | None = None,
    where: str = "",
    flag_origin: str = "flag",
) -> Resolved:
    """Put the layers together.

    Args:
        flags: what was given on the command line or in the form; strongest.
        file: what is in the configuration file; may name its `preset`.
        preset_name: the preset to start from; beats the file's.
        model_settings: what the model's folder says suits it; weakest but for the defaults.
        where: the file's path, for messages.
        flag_origin: what the strongest layer is called in the origins.

    Raises:
        UserError: for anything that is not allowed.
    """
    file = dict(file or {})
    file_preset = file.pop("preset", None)
    name = preset_name or file_preset or "default"
    layers = (
        ("model", canonical(model_settings or {}, "the model's " + MODEL_SETTINGS_FILE)),
        (f"preset {name}", preset(str(name)).values),
        ("file", canonical(file, where)),
        (flag_origin, canonical(flags or {})),
    )
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for origin, layer in layers:
        for key, value in layer.items():
            values[key] = value
            origins[key] = origin
    return Resolved(make_config(values), origins, str(name))


def to_yaml(config: RunConfig, *, only: set[str] | None = None) -> str:
    """The configuration as YAML, in groups, each setting with its line of help."""
    lines: list[str] = []
    group = ""
    for key, item in settings().items():
        if only is not None and key not in only:
            continue
        if item.group != group:
            group = item.group
            lines += ["", f"# {group}"] if lines else [f"# {group}"]
        value = getattr(config, key)
        written = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10_000).removesuffix(
            "\n...\n"
        )
        lines.append(f"{key}: {written.strip()}")
    return "\n".join(lines) + "\n"
