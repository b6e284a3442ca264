"""What can be said about how a run is doing, what can be done about it, and what it comes to. Found by `health`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from tui_finetune.errors import Level, Notice
from tui_finetune.runs.values import Fields, name, text, whole

Deed = Literal["again", "extend", "stop", "chat"]
"""What a key does: train the same again with changes, give it more epochs, stop it, talk to its best model."""

_DEEDS: dict[str, Deed] = {"again": "again", "extend": "extend", "stop": "stop", "chat": "chat"}
_LEVELS: dict[str, Level] = {"good": "good", "info": "info", "warning": "warning", "error": "error"}


@dataclass(frozen=True)
class Way:
    """One thing to do, which a key takes.

    Attributes:
        deed: what is done.
        changes: the settings that are to be others, for 'again' and 'extend'.
    """

    deed: Deed
    changes: Mapping[str, object] = field(default_factory=dict)

    @property
    def words(self) -> str:
        """It in a few words: 'again with learning_rate 0.002'."""
        changes = ", ".join(f"{key} {_shown(value)}" for key, value in self.changes.items())
        return {
            "again": f"again with {changes}" if changes else "again",
            "extend": f"extend it: {changes}" if changes else "extend it",
            "stop": "stop and save",
            "chat": "chat with the best",
        }[self.deed]


def _shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True)
class Finding(Notice):
    """One thing that is so now; it is withdrawn when it no longer is.

    Attributes:
        kind: which of the findings it is, as 'overfitting'.
        since: the step since which it is so, where that is known.
        way: what a key can do about it.
    """

    kind: str = ""
    since: int | None = None
    way: Way | None = None

    @property
    def short(self) -> str:
        """The message as part of a sentence."""
        words = self.message.rstrip(".")
        return words[:1].lower() + words[1:]

    def to_fields(self) -> dict[str, object]:
        """As it stands in JSON; what isn't known is left out."""
        known: dict[str, object] = {"kind": self.kind, "level": self.level, "message": self.message}
        for key, value in (("remedy", self.remedy), ("setting", self.setting), ("since", self.since)):
            if value not in (None, ""):
                known[key] = value
        if self.way is not None:
            known["way"] = {"deed": self.way.deed, "changes": dict(self.way.changes)}
        return known

    @classmethod
    def from_fields(cls, fields: Fields) -> Finding:
        """As `to_fields` writes it."""
        given = fields.get("way")
        way = None
        if isinstance(given, dict) and (deed := _DEEDS.get(text(given, "deed"))) is not None:
            changes = given.get("changes")
            way = Way(deed, changes if isinstance(changes, dict) else {})
        return cls(
            _LEVELS.get(text(fields, "level"), "info"),
            text(fields, "message"),
            text(fields, "remedy"),
            name(fields, "setting"),
            kind=text(fields, "kind"),
            since=whole(fields, "since"),
            way=way,
        )


@dataclass(frozen=True)
class Verdict:
    """How a run is doing, or did.

    Attributes:
        level: 'error' where it went wrong, 'warning' where something should be seen to.
        headline: the most important finding in a part of a sentence, as "went wrong: the loss rose from 13.1 to 83.8";
            '' where there is nothing to say.
        plain: one line that a beginner understands: what training came to, on text it never saw; '' where that can't be
            said.
        findings: all that was found, the most important first.
    """

    level: Level = "info"
    headline: str = ""
    plain: str = ""
    findings: tuple[Finding, ...] = ()

    @property
    def went_wrong(self) -> bool:
        """Whether the run is red."""
        return self.level == "error"

    @property
    def way(self) -> Way | None:
        """The first thing to do that a key takes; to go on with where it went wrong, first of all."""
        return next((finding.way for finding in self.findings if finding.way is not None), None)

    def finding(self, kind: str) -> Finding | None:
        """The finding of a kind, if there is one."""
        return next((finding for finding in self.findings if finding.kind == kind), None)

    def to_fields(self) -> dict[str, object]:
        """As it stands in JSON."""
        return {
            "level": self.level,
            "headline": self.headline,
            "plain": self.plain,
            "findings": [finding.to_fields() for finding in self.findings],
        }

    @classmethod
    def from_fields(cls, fields: Fields) -> Verdict:
        """As `to_fields` writes it."""
        given = fields.get("findings")
        findings = (
            [Finding.from_fields(item) for item in given if isinstance(item, dict)] if isinstance(given, list) else []
        )
        level = _LEVELS.get(text(fields, "level"), "info")
        return cls(level, text(fields, "headline"), text(fields, "plain"), tuple(findings))
