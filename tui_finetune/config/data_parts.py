"""Several data sets in one setting: how they are written.

The setting is kept as one line of text, so that the form, the flags and the manifests take it like any other. It is either
names with commas between them, each with its weight if it has one (``chat.jsonl=2, code.jsonl=1``), or a list in YAML:
``[{name: chat.jsonl, weight: 2, format: messages}, code.jsonl]``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath

from tui_finetune.config.yaml_text import parse_yaml
from tui_finetune.errors import UserError

SETTINGS_OF_A_PART: Mapping[str, str] = {
    "name": "dataset_name",
    "config": "dataset_config",
    "split": "dataset_train_split",
    "eval_split": "dataset_eval_split",
    "format": "dataset_format",
    "text_field": "dataset_text_field",
    "messages_field": "dataset_messages_field",
    "prompt_field": "dataset_prompt_field",
    "input_field": "dataset_input_field",
    "completion_field": "dataset_completion_field",
    "label_field": "dataset_label_field",
    "max_samples": "max_samples",
    "completion_only_loss": "completion_only_loss",
    "assistant_only_loss": "assistant_only_loss",
}
"""What may be said of one data set among several, and the setting that says it of a single one."""

WEIGHT = "weight"
_NAMES = {"path": "name", "subset": "config", **{key: short for short, key in SETTINGS_OF_A_PART.items()}}
_HOW = (
    "a list of data sets, each a name or {name, weight, format, ...}; or names with commas: chat.jsonl=2, code.jsonl=1"
)
_PLAIN = re.compile(r"[^,=\[\]{}\"'|#&*!%@`\s][^,=\[\]{}\"'|#]*")


@dataclass(frozen=True)
class DataPart:
    """One data set among several.

    Attributes:
        name: a sample, a file, a folder, or a name on the hub.
        weight: its share in the mix, beside the others' weights; None where none is given.
        given: the settings that are said of it, by their full keys; others are those of the whole run.
    """

    name: str
    weight: float | None = None
    given: Mapping[str, object] = field(default_factory=dict)

    def written(self) -> dict[str, object]:
        """It as a mapping, as it is written in YAML."""
        short = {key: name for name, key in SETTINGS_OF_A_PART.items()}
        weight = {} if self.weight is None else {WEIGHT: self.weight}
        return {"name": self.name, **weight, **{short[key]: value for key, value in self.given.items()}}


def parse_parts(value: object, key: str = "datasets") -> tuple[DataPart, ...]:
    """The data sets that a value of the setting names.

    Args:
        value: text in one of the two forms, or the list that YAML made of it.
        key: the setting, for messages.

    Raises:
        UserError: an entry names nothing, or says something that is not known.
    """
    if isinstance(value, str):
        text = value.strip()
        value = _from_yaml(text, key) if text[:1] in {"[", "{"} else [_named(item, key) for item in text.split(",")]
    if isinstance(value, Mapping):
        value = [value]
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        raise UserError(f"{key}: {value!r} is not allowed", f"use {_HOW}", key)
    return tuple(_part(entry, number, key) for number, entry in enumerate(value, 1))


def write_parts(parts: Sequence[DataPart]) -> str:
    """The data sets as one line of text, which is read back as the same."""
    if all(not part.given and _PLAIN.fullmatch(part.name) for part in parts):
        return ", ".join(part.name + ("" if part.weight is None else f"={part.weight:g}") for part in parts)
    import yaml

    entries = [part.written() for part in parts]
    text: str = yaml.safe_dump(entries, default_flow_style=True, allow_unicode=True, width=10**9, sort_keys=False)
    return text.strip()


def one_line(value: object, key: str = "datasets") -> str | None:
    """A value of the setting as it is kept; None where no data set is named."""
    if value is None or value == [] or (isinstance(value, str) and value.strip().lower() in _NOTHING):
        return None
    return write_parts(parse_parts(value, key))


_NOTHING = {"", "auto", "none", "null"}


def mix_name(datasets: object) -> str:
    """What several data sets are called together: 'chat + code'."""
    return " + ".join(short_names(parse_parts(datasets)))


def short_names(parts: Sequence[DataPart]) -> list[str]:
    """A short name for each, none twice: the last part of its path."""
    found: list[str] = []
    for part in parts:
        name = PurePath(part.name.rstrip("/")).name or part.name
        stem = re.sub(r"(\.(jsonl|json|csv|tsv|txt|md|parquet|arrow))?(\.gz)?$", "", name) or name
        number = 2
        unique = stem
        while unique in found:
            unique, number = f"{stem}-{number}", number + 1
        found.append(unique)
    return found


def named_after_parts(values: Mapping[str, object]) -> dict[str, object]:
    """The same settings; where several data sets are given, dataset_name is what they are called together."""
    datasets = one_line(values.get("datasets"))
    return {**values, "dataset_name": mix_name(datasets)} if datasets else dict(values)


def _from_yaml(text: str, key: str) -> object:
    return parse_yaml(f"{key}: {text}", key)[key]


def _named(item: str, key: str) -> object:
    name, sign, weight = item.strip().rpartition("=")
    if not sign:
        return item.strip()
    return {"name": name.strip(), WEIGHT: weight.strip()}


def _part(entry: object, number: int, key: str) -> DataPart:
    where = f"{key}, entry {number}"
    if isinstance(entry, str):
        entry = {"name": entry}
    if not isinstance(entry, Mapping):
        raise UserError(f"{where}: {entry!r} is no data set", f"use {_HOW}", key)
    known = dict(_known(entry, where, key))
    name = str(known.pop("name", "") or "").strip()
    if not name:
        raise UserError(f"{where} has no name", "give it a name: a sample, a file, a folder, or a name on the hub", key)
    weight = _weight(known.pop(WEIGHT, None), where, key)
    return DataPart(name, weight, {SETTINGS_OF_A_PART[short]: value for short, value in known.items()})


def _known(entry: Mapping[object, object], where: str, key: str) -> Iterator[tuple[str, object]]:
    both = "path" in entry and "name" in entry  # as TRL and axolotl have it: the second is the configuration
    for given, value in entry.items():
        short = "config" if both and given == "name" else _NAMES.get(str(given), str(given))
        if short not in SETTINGS_OF_A_PART and short != WEIGHT:
            listed = ", ".join([WEIGHT, *SETTINGS_OF_A_PART])
            raise UserError(f"{where}: there is no '{given}' of a data set", f"there are: {listed}", key)
        if value is not None:
            yield short, value


def _weight(given: object, where: str, key: str) -> float | None:
    if given is None:
        return None
    try:
        weight = float(str(given))
    except ValueError:
        weight = math.nan
    if not 0 < weight < math.inf:
        raise UserError(f"{where}: weight: {given} is not allowed", "use a number above 0", key)
    return weight
