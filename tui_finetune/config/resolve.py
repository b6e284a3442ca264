"""From what was asked for to a RunConfig: flags beat the file, the file the preset, the preset the model's settings.

Everything is checked here, before anything is loaded: unknown keys, bad values, values out of bounds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Annotated, Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from tui_finetune.config.aliases import canonical
from tui_finetune.config.names import PREFERENCE_SHARE
from tui_finetune.config.presets import SAMPLE_SETTINGS, preset
from tui_finetune.config.schema import ADAPTERS, PREFERENCES, STARTER, RunConfig, settings
from tui_finetune.errors import Notice, UserError

MODEL_SETTINGS_FILE = "finetune-tui.yaml"
"""The file in a model's folder with the settings that suit this model."""

Values = Mapping[str, object]
"""Settings by key, as they were given: text, numbers, switches, None."""

Suits = Values | Callable[[str], Values] | None
"""What a model's folder says suits it, or what tells it of a model's name."""


@dataclass(frozen=True)
class Resolved:
    """A configuration and where each of its values comes from.

    ``origins`` maps a key to 'flag', 'file', 'form', 'preset NAME', 'sample', 'model' or 'method'; keys not in it have
    their default.
    """

    config: RunConfig
    origins: Mapping[str, str] = field(default_factory=dict)
    preset: str = "default"

    def origin(self, key: str) -> str:
        """Where a value comes from: 'flag', 'file', 'form', 'preset NAME', 'sample', 'model', 'method' or 'default'."""
        return self.origins.get(key, "default")


def make_config(values: Values) -> RunConfig:
    """A checked RunConfig from values by key; raises UserError that names the setting and what is allowed."""
    try:
        config = RunConfig.model_validate(dict(values))
    except ValidationError as error:
        key = str(error.errors()[0]["loc"][0])
        raise _told(error) or _not_allowed(key, values.get(key)) from None
    for key, value in config:
        if isinstance(value, int) and abs(value) > LARGEST:
            raise _not_allowed(key, value)
    return config


LARGEST = 2**63 - 1
"""No number of anything is larger; arithmetic with one of thousands of digits fails."""


def set_by_somebody(config: RunConfig) -> Resolved:
    """A configuration all of whose values stay as they are."""
    return Resolved(config, dict.fromkeys(settings(), "file"))


@cache
def _checker(config: type[RunConfig], key: str) -> TypeAdapter[object]:
    """What checks the values of one setting as RunConfig does."""
    declared = config.model_fields[key]
    annotated: Any = Annotated[declared.annotation, declared]
    return TypeAdapter(annotated, config=ConfigDict(allow_inf_nan=False))


def check_value(key: str, value: object) -> object:
    """One setting's value as it stands in a RunConfig; raises UserError where it is not allowed.

    Args:
        key: the setting.
        value: as it was given: text, or what YAML made of it.
    """
    try:
        return _checker(RunConfig, key).validate_python(value)
    except ValidationError as error:
        raise _told(error) or _not_allowed(key, value) from None


def _told(error: ValidationError) -> UserError | None:
    """What a check of our own has to say; None where a value is only of the wrong kind."""
    cause = error.errors()[0].get("ctx", {}).get("error")
    told = cause.args[0] if isinstance(cause, ValueError) and cause.args else None
    return told if isinstance(told, UserError) else None


def _not_allowed(key: str, value: object) -> UserError:
    item = settings().get(key)
    if item is None:
        return UserError(f"there is no setting '{key}'", "`finetune-tui train --help` lists the settings")
    shown = repr(value) if isinstance(value, str) else item.show(value)
    return UserError(f"{key}: {shown} is not allowed", f"use {item.allowed}; the default is {item.default_shown}", key)


def with_strategies(values: Values) -> dict[str, object]:
    """The same settings; where steps between evaluations or saves are given alone, they are to be used.

    Args:
        values: settings by key, those of one layer.
    """
    result = dict(values)
    for what in ("eval", "save"):
        steps = values.get(f"{what}_steps")
        if steps is not None and str(steps).strip().lower() not in {"", "auto", "none", "null"}:
            result.setdefault(f"{what}_strategy", "steps")
    return result


def unused(resolved: Resolved) -> list[Notice]:
    """What was asked for and has no effect with the method that is chosen; a value that is the default is passed over."""
    config, known = resolved.config, settings()
    asked = [key for key in known if resolved.origin(key) in {"flag", "file", "form"}]
    keys = [
        key
        for key in asked
        if not known[key].concerns(config.method, config.task) and getattr(config, key) != known[key].default
    ]
    found = []
    for what, chosen in (("task", config.task), ("method", config.method)):
        wanted = {key: known[key].tasks if what == "task" else known[key].methods for key in keys}
        idle = [key for key in keys if wanted[key] and chosen not in wanted[key]]
        if idle:
            words = f"{', '.join(idle)} {'has' if len(idle) == 1 else 'have'} no effect with {what}: {chosen}."
            found.append(Notice("warning", words, f"set {what}: {' or '.join(wanted[idle[0]])}", idle[0]))
        keys = [key for key in keys if key not in idle]
    return found


ADAPTER_RATE = 2e-4
"""The learning rate of an adapter where nobody sets one."""

SHORT_RUN_RATE, SHORT_RUN = 1e-3, 200
"""That of a run of at most so many steps: an adapter takes it well, and learns little in them with less."""

ADAPTER_FACTOR = 10
"""How much more an adapter wants than what a model's folder says suits all of its weights."""


KTO_ROWS = 4
"""Rows of a batch of kto, at least: it compares the replies of a batch with each other."""


def following_task(resolved: Resolved) -> Resolved:
    """The same; where preferences are learned rows are never packed, the logits are TRL's matter, and kto has a batch of
    several rows, unless somebody wants one."""
    config = resolved.config
    if config.task not in PREFERENCES:
        return resolved
    changes: dict[str, object] = {"packing": False, "chunked_cross_entropy": False}
    origins = dict(resolved.origins)
    asked = resolved.origin("per_device_train_batch_size") in {"flag", "file", "form"}
    if config.task == "kto" and config.per_device_train_batch_size < KTO_ROWS and not asked:
        changes["per_device_train_batch_size"] = KTO_ROWS
        origins["per_device_train_batch_size"] = "method"
    return replace(resolved, config=config.model_copy(update=changes), origins=origins)


def following_method(resolved: Resolved) -> Resolved:
    """The same; where nobody set the learning rate, it follows method and task. Not to be applied twice."""
    config, origins = resolved.config, dict(resolved.origins)
    origin = resolved.origin("learning_rate")
    adapter, share = config.method in ADAPTERS, PREFERENCE_SHARE.get(config.task, 1.0)
    if origin not in ({"default", "model"} if adapter else {"model"}) or (share == 1.0 and not adapter):
        return resolved
    rate = config.learning_rate
    if adapter:
        rate = SHORT_RUN_RATE if 0 < config.max_steps <= SHORT_RUN else ADAPTER_RATE
        if origin == "model":
            # What pushes the worse reply away tears a small model apart at ten times the rate.
            rate = min(1.0, (1 if config.task == "dpo" else ADAPTER_FACTOR) * config.learning_rate)
    origins["learning_rate"] = "method"
    return Resolved(config.model_copy(update={"learning_rate": rate * share}), origins, resolved.preset)


def following_split(resolved: Resolved) -> Resolved:
    """The same; where somebody says how many rows are kept aside, a split that the data brings is not taken unasked."""
    said = resolved.origin("validation_split") not in {"default", "model", "sample"}
    if not said or resolved.origin("dataset_eval_split") != "default":
        return resolved
    return replace(resolved, config=resolved.config.model_copy(update={"dataset_eval_split": "none"}))


def resolve(
    flags: Values | None = None,
    file: Values | None = None,
    *,
    preset_name: str | None = None,
    model_settings: Suits = None,
    where: str = "",
    flag_origin: str = "flag",
    dataset: str | None = None,
) -> Resolved:
    """Put the layers together, and let follow what follows from them. Arguments as for `layered`."""
    layers = layered(
        flags,
        file,
        preset_name=preset_name,
        model_settings=model_settings,
        where=where,
        flag_origin=flag_origin,
        dataset=dataset,
    )
    return following_split(following_task(following_method(layers)))


def _together(layers: Iterable[tuple[str, Values]]) -> tuple[dict[str, object], dict[str, str]]:
    """The values of layers, weakest first, and which of them each is from."""
    values: dict[str, object] = {}
    origins: dict[str, str] = {}
    known = settings()
    for origin, layer in layers:
        before = values.get("model_name_or_path")
        if layer.get("model_name_or_path", before) != before:
            # The revision of another model means nothing to this one.
            values.pop("model_revision", None)
            origins.pop("model_revision", None)
        if "dataset_name" in layer and layer.get("datasets") is None:
            # One data set takes the place of the several that a weaker layer names.
            values.pop("datasets", None)
            origins.pop("datasets", None)
        for key, value in with_strategies(layer).items():
            if key in known and known[key].is_auto(value):
                # Left to the program again, whatever the layers below say.
                values.pop(key, None)
                origins.pop(key, None)
            else:
                values[key] = value
                origins[key] = origin
    return values, origins


def layered(
    flags: Values | None = None,
    file: Values | None = None,
    *,
    preset_name: str | None = None,
    model_settings: Suits = None,
    where: str = "",
    flag_origin: str = "flag",
    dataset: str | None = None,
) -> Resolved:
    """Put the layers together; what follows from them is not in it.

    Args:
        flags: what was given on the command line or in the form; strongest.
        file: what is in the configuration file; may name its `preset`.
        preset_name: the preset to start from; beats the file's.
        model_settings: what the model's folder says suits it, weakest but for the defaults; or a function that tells it
            of the model that the other layers name.
        where: the file's path, for messages.
        flag_origin: what the strongest layer is called in the origins.
        dataset: the data set, where none of the layers names it.

    Raises:
        UserError: for anything that is not allowed.
    """
    file = dict(file or {})
    name = str(preset_name or file.pop("preset", None) or "default")
    file.pop("preset", None)
    strong = [
        (f"preset {name}", preset(name).values),
        ("file", canonical(file, where)),
        (flag_origin, canonical(flags or {})),
    ]
    if strong[1][1].get("notify_command"):
        raise UserError(
            f"{where or 'the file'}: notify_command is not taken from a file, which may be somebody else's",
            "give it on the command line (--notify_command) or in the app's Settings",
            "notify_command",
        )
    model = next(
        (layer["model_name_or_path"] for _, layer in reversed(strong) if "model_name_or_path" in layer), STARTER
    )
    suits = model_settings(str(model)) if callable(model_settings) else model_settings
    named = next((layer["dataset_name"] for _, layer in reversed(strong) if "dataset_name" in layer), dataset)
    weak = [
        ("model", canonical(suits or {}, f"the model's {MODEL_SETTINGS_FILE}")),
        ("sample", SAMPLE_SETTINGS.get(str(named), {})),
    ]
    values, origins = _together([*weak, *strong])
    return Resolved(make_config(values), origins, name)
