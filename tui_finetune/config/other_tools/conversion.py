"""Reading another tool's configuration: what each of its keys becomes.

A tool's module declares its keys in a table; `read` walks the file by it. A key sets settings of ours, is ignored because it
asks for nothing that changes the result here, or is refused because what it asks for does not exist here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal

Outcome = Literal["set", "ignored", "silent", "refused"]

HARDWARE = "which machine it runs on is decided here"
LOGGING = "the run has a log, a chart and a plot of its own; trackers are set with report_to"
SPEED = "how it is computed is chosen here; the result is the same"
CACHING = "prepared data is cached by itself"
HUB = "`finetune-tui export RUN --to hub` uploads a model"


@dataclass(frozen=True)
class KeyOutcome:
    """What became of one key.

    Attributes:
        key: as it is in the file, nested ones with dots.
        value: as it is in the file.
        outcome: 'set', 'ignored' (said), 'silent' (asks for nothing), or 'refused'.
        settings: the settings it sets, by key.
        reason: why it is ignored or refused; a remark where it is set.
    """

    key: str
    value: object
    outcome: Outcome
    settings: Mapping[str, object] = field(default_factory=dict)
    reason: str = ""


@dataclass(frozen=True)
class Conversion:
    """A configuration of another tool, read.

    Attributes:
        tool: the tool's name.
        settings: ours, by key: what the file asks for, and the tool's own defaults where they differ from ours.
        outcomes: what became of each key, in the file's order.
    """

    tool: str
    settings: Mapping[str, object]
    outcomes: tuple[KeyOutcome, ...]

    @property
    def refused(self) -> tuple[KeyOutcome, ...]:
        return tuple(outcome for outcome in self.outcomes if outcome.outcome == "refused")


class Reading:
    """A configuration while it is read."""

    def __init__(self, values: Mapping[str, object], whole: Iterable[str] = ()) -> None:
        """
        Args:
            values: the file's mapping.
            whole: keys whose mappings are read as one value.
        """
        self.values = dict(_flat(values, frozenset(whole)))
        self.settings: dict[str, object] = {}
        self._outcomes: dict[str, KeyOutcome] = {}

    def get(self, key: str, default: object = None) -> object:
        """The value of a key, or the default where there is none."""
        value = self.values.get(key)
        return default if value is None else value

    def text(self, key: str) -> str:
        """The value of a key as text, empty where it asks for nothing."""
        value = self.values.get(key)
        return "" if asks_for_nothing(value) else str(value).strip()

    def on(self, key: str) -> bool:
        """Whether a switch is on."""
        return str(self.values.get(key)).strip().lower() in {"true", "yes", "on", "1"}

    def set(self, key: str, reason: str = "", /, **settings: object) -> None:
        """A key sets settings of ours."""
        self.settings.update(settings)
        before = self._outcomes.get(key)
        together = {**(before.settings if before and before.outcome == "set" else {}), **settings}
        self._outcomes[key] = KeyOutcome(key, self.values.get(key), "set", together, reason)

    def ignore(self, key: str, reason: str) -> None:
        """A key asks for nothing that changes the result here."""
        self._outcomes[key] = KeyOutcome(key, self.values.get(key), "ignored", reason=reason)

    def silence(self, *keys: str) -> None:
        """Keys that need no word: they ask for what is so anyway, or belong to another key."""
        for key in keys:
            if key in self.values:
                self._outcomes[key] = KeyOutcome(key, self.values[key], "silent")

    def refuse(self, key: str, reason: str) -> None:
        """A key asks for what does not exist here."""
        self._outcomes[key] = KeyOutcome(key, self.values.get(key), "refused", reason=reason)

    def known(self, key: str) -> bool:
        """Whether it is said already what becomes of a key."""
        return key in self._outcomes

    def outcomes(self) -> tuple[KeyOutcome, ...]:
        """What became of each key, in the file's order."""
        return tuple(self._outcomes[key] for key in self.values if key in self._outcomes)


Rule = Callable[[Reading, str], None]
"""What is done about one key that asks for something."""


def to(setting: str, change: Callable[[object], object] | None = None, reason: str = "") -> Rule:
    """The key is a setting of ours under another name.

    Args:
        setting: ours.
        change: from the file's value to ours, where they differ.
        reason: a remark that is shown with it.
    """

    def rule(reading: Reading, key: str) -> None:
        value = reading.values[key]
        reading.set(key, reason, **{setting: change(value) if change else value})

    return rule


def ignored(reason: str) -> Rule:
    """The key changes nothing of the result here."""
    return lambda reading, key: reading.ignore(key, reason)


def refused(reason: str) -> Rule:
    """What the key asks for does not exist here; a switch that is off asks for nothing."""

    def rule(reading: Reading, key: str) -> None:
        if is_off(reading.values[key]):
            reading.silence(key)
        else:
            reading.refuse(key, reason)

    return rule


def silent(reading: Reading, key: str) -> None:
    """The key needs no word."""
    reading.silence(key)


def expecting(*allowed: object, reason: str) -> Rule:
    """Only these values are what happens here anyway; another is refused for the reason."""

    def rule(reading: Reading, key: str) -> None:
        if reading.values[key] in allowed:
            reading.silence(key)
        else:
            reading.refuse(key, reason)

    return rule


def asks_for_nothing(value: object) -> bool:
    """Whether a value is one that is left empty."""
    return value is None or value == [] or value == {} or (isinstance(value, str) and value.strip().lower() in _EMPTY)


_EMPTY = {"", "none", "null", "~"}


def is_off(value: object) -> bool:
    """Whether a value switches something off, or leaves it so."""
    return (
        asks_for_nothing(value)
        or value is False
        or (isinstance(value, str) and value.strip().lower() in {"false", "no"})
    )


def number(value: object) -> float | None:
    """A number, also one that YAML took for text, as 2e-5."""
    try:
        return float(str(value))
    except ValueError:
        return None


def plain(value: float) -> float | int:
    """A whole number as one."""
    return int(value) if value == int(value) else value


def read(
    tool: str,
    reading: Reading,
    table: Mapping[str, Rule],
    *,
    defaults: Mapping[str, object],
    unknown: str,
) -> Conversion:
    """Go through all keys that are not spoken for.

    Args:
        tool: its name.
        reading: with what the tool's module has read of several keys together.
        table: the rule of each key; a name that ends in * stands for all that begin so.
        defaults: settings of ours that make our defaults the tool's.
        unknown: why a key that is not in the table is refused.
    """
    patterns = [(name, rule) for name, rule in table.items() if "*" in name]
    for key, value in reading.values.items():
        if reading.known(key):
            continue
        if asks_for_nothing(value):
            reading.silence(key)
            continue
        rule = table.get(key) or next((rule for name, rule in patterns if fnmatchcase(key, name)), None)
        if rule is not None:
            rule(reading, key)
        elif is_off(value):
            reading.silence(key)
        else:
            reading.refuse(key, unknown)
    return Conversion(tool, {**defaults, **reading.settings}, reading.outcomes())


def _flat(values: Mapping[str, object], whole: frozenset[str], before: str = "") -> Iterator[tuple[str, object]]:
    for name, value in values.items():
        key = f"{before}{name}"
        if isinstance(value, Mapping) and value and key not in whole:
            yield from _flat({str(inner): one for inner, one in value.items()}, whole, f"{key}.")
        else:
            yield key, value
