"""The form of settings: what each field shows, also while some of them hold values that are not allowed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tui_finetune.config.aliases import canonical
from tui_finetune.config.data_parts import named_after_parts
from tui_finetune.config.fields import Setting
from tui_finetune.config.resolve import (
    Resolved,
    Suits,
    Values,
    check_value,
    following_method,
    following_split,
    following_task,
    layered,
    with_strategies,
)
from tui_finetune.config.schema import GROUPS, RunConfig, settings
from tui_finetune.config.steps import processes_of, rows_per_update
from tui_finetune.errors import UserError


@dataclass(frozen=True)
class Form:
    """What was chosen, and what it amounts to as far as it is allowed.

    Attributes:
        chosen: what was chosen one by one, by key, as it was given.
        resolved: the configuration with all of it that is allowed.
        inherited: the configuration without any of it: what a field goes back to.
        problems: what is wrong with the values that are not allowed, by key.
    """

    chosen: Values
    resolved: Resolved
    inherited: Resolved
    problems: Mapping[str, UserError] = field(default_factory=dict)

    def shown(self, key: str) -> str:
        """The field's value as text; one that is not allowed as it was given."""
        if key in self.problems:
            return str(self.chosen.get(key, ""))
        return shown(self.resolved, key)

    def inherited_value(self, key: str) -> str:
        """As text, what the field goes back to when nothing is chosen for it."""
        return shown(self.inherited, key)

    def origin(self, key: str) -> str:
        """Where the field's value comes from: 'default', 'model', 'preset NAME', 'file' or 'form'."""
        return "form" if key in self.problems else self.resolved.origin(key)

    def is_inherited(self, key: str, value: object) -> bool:
        """Whether choosing this value would change nothing."""
        if settings()[key].is_auto(value):
            return self.inherited.origin(key) == "default"
        if settings()[key].chosen and self.inherited.origin(key) == "default":
            return False
        try:
            return bool(check_value(key, value) == getattr(self.inherited.config, key))
        except UserError:
            return False


def shown(resolved: Resolved, key: str) -> str:
    """A setting's value as text; 'auto' where it is left to the program."""
    item = settings()[key]
    return "auto" if item.chosen and resolved.origin(key) == "default" else item.show(getattr(resolved.config, key))


def fill_form(chosen: Values, preset_name: str, model_settings: Suits = None) -> Form:
    """Put a form together from what was chosen, one value that is not allowed not hiding the others.

    What nothing was chosen for is checked as a whole, once; what was chosen, value by value.

    Args:
        chosen: what was chosen, by key or alias.
        preset_name: the preset it starts from.
        model_settings: what the model's folder says suits it, or a function that tells it of a model's name.

    Raises:
        UserError: something is wrong that is no field's value, as a preset that doesn't exist.
    """
    given = canonical(chosen)
    good: dict[str, object] = {}
    problems: dict[str, UserError] = {}
    left = {key for key, value in given.items() if settings()[key].is_auto(value)}
    for key, value in given.items():
        if key in left:
            continue
        try:
            good[key] = check_value(key, value)
        except UserError as error:
            problems[key] = error
    if callable(model_settings):
        model_settings = model_settings(str(good.get("model_name_or_path", settings()["model_name_or_path"].default)))
    dataset = str(good.get("dataset_name", settings()["dataset_name"].default))
    layers = layered(preset_name=preset_name, model_settings=model_settings, dataset=dataset)
    meant = {key: value for key, value in with_strategies(good).items() if key not in problems}
    unset = {key: settings()[key].default for key in left}
    config = layers.config.model_copy(update=named_after_parts({**unset, **meant}))
    origins = {key: origin for key, origin in layers.origins.items() if key not in left}
    resolved = Resolved(config, {**origins, **dict.fromkeys(meant, "form")}, layers.preset)
    followed = following_split(following_task(following_method(resolved)))
    return Form(given, followed, _inherited(layers, resolved), problems)


def _inherited(layers: Resolved, chosen: Resolved) -> Resolved:
    """What each field goes back to, also one that follows from the method that was chosen."""
    by_itself = following_method(layers)
    deciding = {key: getattr(chosen.config, key) for key in ("method", "task", "max_steps")}
    then = following_method(Resolved(layers.config.model_copy(update=deciding), layers.origins))
    config = by_itself.config.model_copy(update={"learning_rate": then.config.learning_rate})
    origins = {key: origin for key, origin in by_itself.origins.items() if key != "learning_rate"}
    if then.origin("learning_rate") != "default":
        origins["learning_rate"] = then.origin("learning_rate")
    return Resolved(config, origins, layers.preset)


def grouped_settings() -> dict[str, list[Setting]]:
    """The settings by group, in the order of the form: model and data, which have screens of their own, come last."""
    first, *others = GROUPS
    groups: dict[str, list[Setting]] = {name: [] for name in (*others, first)}
    for item in settings().values():
        groups[item.group].append(item)
    return groups


def matches(item: Setting, query: str) -> bool:
    """Whether a setting is meant by a search: every word is in its key, its aliases or its help."""
    text = " ".join((item.key, item.key.replace("_", " "), *item.aliases, item.help)).lower()
    return all(word in text for word in query.lower().split())


def update_size(config: RunConfig) -> str:
    """In a few words, what one update of the weights is made of."""
    rows, batches, processes = (
        config.per_device_train_batch_size,
        config.gradient_accumulation_steps,
        processes_of(config),
    )
    words = f"{rows} {'row' if rows == 1 else 'rows'}"
    if batches == processes == 1:
        return f"{words} per update"
    accumulated = f" × {batches}" if batches > 1 else ""
    each = f" × {processes} processes" if processes > 1 else ""
    return f"{words}{accumulated}{each} = {rows_per_update(config)} rows per update"


def annotated(resolved: Resolved, yaml_text: str) -> list[tuple[str, str]]:
    """The lines of a configuration's YAML, each with where its value comes from; '' for headings and defaults."""
    known = settings()
    lines = []
    for line in yaml_text.splitlines():
        key = line.partition(":")[0]
        origin = resolved.origin(key) if key in known else "default"
        lines.append((line, "" if origin == "default" else origin))
    return lines
