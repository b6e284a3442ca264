"""What a setting is: how one is declared, and what forms, flags, messages and the reference know of it."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import Field
from pydantic.config import JsonDict
from pydantic.fields import FieldInfo

Declared = TypeVar("Declared")

_BOUNDS = ("ge", "gt", "le", "lt")
_KINDS: Mapping[object, str] = {bool: "bool", int: "int", float: "float", str: "str"}


def setting(
    default: Declared,
    *,
    group: str,
    help: str,
    explanation: str,
    aliases: tuple[str, ...] = (),
    unset: str = "auto",
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    lt: float | None = None,
    methods: tuple[str, ...] = (),
    tasks: tuple[str, ...] = (),
    chosen: bool = False,
) -> Declared:
    """Declare one setting.

    Args:
        default: its value where nothing is said.
        group: the part of the form it stands in, one of schema.GROUPS.
        help: one line for ``--help`` and the reference.
        explanation: what it does, when to change it, what usual values are and what it does to memory and time.
        aliases: names that other tools have for it.
        unset: how a value of None is written and shown.
        ge: least value that is allowed.
        gt: what it must be above.
        le: greatest value that is allowed.
        lt: what it must be below.
        methods: the methods of fine-tuning that it concerns, by the values of `method`; all where none is named.
        tasks: the tasks that it concerns, by the values of `task`; all where none is named.
        chosen: whether it is chosen from model, data and memory where nobody sets it, or sets 'auto'; the default is then
            what counts while these are not known.
    """
    known: JsonDict = {
        "group": group,
        "explanation": explanation,
        "aliases": list(aliases),
        "unset": unset,
        "methods": list(methods),
        "tasks": list(tasks),
        "chosen": chosen,
    }
    return Field(default, description=help, json_schema_extra=known, ge=ge, gt=gt, le=le, lt=lt)


@dataclass(frozen=True)
class Setting:
    """What is known of one setting.

    ``kind`` is 'str', 'int', 'float', 'bool' or 'choice'; ``bounds`` has some of 'ge', 'gt', 'le', 'lt'. ``choices`` are
    those of a 'choice', and of a 'bool' that may also be left unset. ``methods`` are the methods of fine-tuning and ``tasks``
    the tasks that it concerns; all where it names none. ``chosen`` is whether it is chosen from model, data and memory where it is 'auto'.
    """

    key: str
    kind: str
    default: object
    group: str
    help: str
    explanation: str
    aliases: tuple[str, ...]
    choices: tuple[str, ...]
    optional: bool
    unset: str
    bounds: Mapping[str, float]
    methods: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    chosen: bool = False

    def concerns(self, method: str, task: str) -> bool:
        """Whether it has any effect with a method of fine-tuning and a task, values of `method` and `task`."""
        return (not self.methods or method in self.methods) and (not self.tasks or task in self.tasks)

    def show(self, value: object) -> str:
        """The value as it is written in YAML and shown in the form."""
        if value is None:
            return self.unset
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, float):
            return f"{value:g}"
        return str(value)

    def is_auto(self, value: object) -> bool:
        """Whether a value leaves the choice to the program."""
        return self.chosen and (value is None or str(value).strip().lower() == "auto")

    @property
    def default_shown(self) -> str:
        """Its default, as text."""
        return "auto" if self.chosen else self.show(self.default)

    @property
    def allowed(self) -> str:
        """The values that are allowed, in a few words, for messages and the reference."""
        if self.choices:
            return ", ".join(self.choices)
        if self.kind == "bool":
            return "true, false"
        words = {"int": "a whole number", "float": "a number", "str": "text"}[self.kind]
        return words + _limits(self.bounds) + (f", or {self.unset}" if self.optional or self.chosen else "")


def _limits(bounds: Mapping[str, float]) -> str:
    """Bounds in words that follow 'a number': ' from 0 to 1', ', 1 or more', ' above 0 and up to 1'."""
    shown = {name: f"{limit:g}" for name, limit in bounds.items()}
    if "ge" in shown and "le" in shown:
        return f" from {shown['ge']} to {shown['le']}"
    if "ge" in shown:
        return f", {shown['ge']} or more" + (f" and below {shown['lt']}" if "lt" in shown else "")
    words = {"gt": "above {}", "le": "up to {}", "lt": "below {}"}
    parts = [words[name].format(limit) for name, limit in shown.items() if name in words]
    return " " + " and ".join(parts) if parts else ""


def describe(key: str, field: FieldInfo) -> Setting:
    """What is known of a setting, from its declaration."""
    annotation: Any = field.annotation
    optional = get_origin(annotation) in {Union, types.UnionType}
    if optional:
        annotation = next(part for part in get_args(annotation) if part is not type(None))
    is_choice = get_origin(annotation) is Literal
    choices = tuple(get_args(annotation)) if is_choice else ()
    extra: Any = field.json_schema_extra
    if optional and annotation is bool:
        choices = (extra["unset"], "true", "false")
    limits = {name: getattr(item, name, None) for item in field.metadata for name in _BOUNDS if hasattr(item, name)}
    return Setting(
        key=key,
        kind="choice" if is_choice else _KINDS[annotation],
        default=field.default,
        group=extra["group"],
        help=field.description or "",
        explanation=extra["explanation"],
        aliases=tuple(extra["aliases"]),
        choices=choices,
        optional=optional,
        unset=extra["unset"],
        bounds={name: limit for name, limit in limits.items() if limit is not None},
        methods=tuple(extra["methods"]),
        tasks=tuple(extra["tasks"]),
        chosen=bool(extra["chosen"]),
    )
