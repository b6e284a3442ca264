"""The events of a run: what stands in a line of events.jsonl, one class each.

A line is a JSON object with `time` (Unix seconds) and `type`; the other fields depend on the type and follow the names of
Trainer's logs. Reading is lenient: a field that is missing, or is not what it should be, counts as absent, so that logs
of older and newer versions can be read.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from tui_finetune.errors import Level, Notice
from tui_finetune.runs.event import BESIDE_VALUES, Common
from tui_finetune.runs.event import Event as Event
from tui_finetune.runs.result import End, RunResult
from tui_finetune.runs.series import Later
from tui_finetune.runs.telling_events import CheckEvent as CheckEvent
from tui_finetune.runs.telling_events import FactsEvent as FactsEvent
from tui_finetune.runs.telling_events import SpikeEvent as SpikeEvent
from tui_finetune.runs.values import Fields, as_number, flag, number, text, whole

Status = Literal["starting", "running", "paused", "stopping", "finished", "stopped", "failed"]
Phase = Literal[
    "loading_data", "preparing_data", "loading_model", "checking", "training", "evaluating", "saving", "finishing"
]

_ENDS: dict[str, End] = {"finished": "finished", "stopped": "stopped", "failed": "failed"}
ENDED = frozenset(_ENDS)
"""The statuses after which nothing more comes, unless the run is resumed."""

PHASE_LABELS: dict[str, str] = {
    "loading_data": "Reading the data",
    "preparing_data": "Turning text into tokens",
    "loading_model": "Loading the model",
    "checking": "Checking",
    "training": "Training",
    "evaluating": "Evaluating",
    "saving": "Saving",
    "finishing": "Finishing",
}


@dataclass(frozen=True)
class StatusEvent(Event):
    """The run is in another state.

    Attributes:
        status: the new one.
        reason: why.
        total_steps: of the whole run; with 'running'.
        resumed_from: the step of the checkpoint that a start goes on from, 0 where it begins again; None for a new run.
        changed: settings that a resumed run goes on with and that were others before, in words.
        model, dataset: their names; with 'starting'.
        taught: whether the model is taught 'turns' or 'text', so that who talks to the run knows; with 'running'.
        result: how it ended, with a status that ends it.
    """

    type: ClassVar[str] = "status"
    status: str
    reason: str = ""
    total_steps: int | None = None
    resumed_from: int | None = None
    model: str = ""
    dataset: str = ""
    result: RunResult | None = None
    taught: str = ""
    changed: str = ""

    def fields(self) -> dict[str, object]:
        known: dict[str, object] = {"status": self.status, "reason": self.reason}
        for key in ("total_steps", "resumed_from", "model", "dataset", "taught", "changed"):
            if (value := getattr(self, key)) not in (None, ""):
                known[key] = value
        return known | (self.result.to_fields() if self.result else {})

    @classmethod
    def ending(cls, result: RunResult) -> StatusEvent:
        """The last status of a run."""
        return cls(result.status, result.reason, result=result)

    @classmethod
    def read(cls, fields: Fields, common: Common) -> StatusEvent | None:
        status = fields.get("status")
        if not isinstance(status, str):
            return None
        end = _ENDS.get(status)
        result = RunResult.from_fields(end, fields) if end else None
        return cls(
            status,
            text(fields, "reason"),
            whole(fields, "total_steps"),
            whole(fields, "resumed_from"),
            text(fields, "model"),
            text(fields, "dataset"),
            result,
            text(fields, "taught"),
            text(fields, "changed"),
            **common,
        )


@dataclass(frozen=True)
class PhaseEvent(Event):
    """Something else is being done. ``label`` says what, where the phase's own words are not enough."""

    type: ClassVar[str] = "phase"
    phase: str
    label: str = ""

    def fields(self) -> dict[str, object]:
        return {"phase": self.phase, "label": self.label}

    @classmethod
    def read(cls, fields: Fields, common: Common) -> PhaseEvent | None:
        return cls(text(fields, "phase"), text(fields, "label"), **common)


@dataclass(frozen=True)
class ProgressEvent(Event):
    """How far a phase is; ``total`` is None where it isn't known."""

    type: ClassVar[str] = "progress"
    phase: str
    done: int
    total: int | None
    unit: str

    def fields(self) -> dict[str, object]:
        return {"phase": self.phase, "done": self.done, "total": self.total, "unit": self.unit}

    @classmethod
    def read(cls, fields: Fields, common: Common) -> ProgressEvent | None:
        done = whole(fields, "done")
        return cls(text(fields, "phase"), done or 0, whole(fields, "total"), text(fields, "unit"), **common)


@dataclass(frozen=True)
class MetricsEvent(Event):
    """Whatever was logged as a number at a step, by the name that Trainer gives it.

    Attributes:
        step, epoch: where.
        values: the numbers; nan for one that was logged and is none.
        asked_for: an evaluation on the side: nothing is decided by it.
        before_training: the evaluation before the first step, on the side as well.
    """

    type: ClassVar[str] = "metrics"
    step: int
    epoch: float | None
    values: Mapping[str, float]
    asked_for: bool = False
    before_training: bool = False

    def fields(self) -> dict[str, object]:
        asked = {"asked_for": True} if self.asked_for or self.before_training else {}
        asked |= {"before_training": True} if self.before_training else {}
        epoch = {} if self.epoch is None else {"epoch": self.epoch}
        return {"step": self.step, **epoch, **self.values, **asked}

    @classmethod
    def read(cls, fields: Fields, common: Common) -> MetricsEvent | None:
        if (step := whole(fields, "step")) is None:
            return None
        # JSON has no name for a number that is none: it was written as null.
        values = {
            key: math.nan if value is None else value
            for key, given in fields.items()
            if key not in BESIDE_VALUES and ((value := as_number(given)) is not None or given is None)
        }
        before = flag(fields, "before_training")
        asked = flag(fields, "asked_for") and not before
        return cls(step, number(fields, "epoch"), values, asked, before, **common)


@dataclass(frozen=True)
class CheckpointEvent(Event):
    """A checkpoint is committed.

    Attributes:
        step: its step.
        path: its directory, relative to the run's.
        seconds, bytes: what saving took, and its size.
        best: whether its evaluation loss is the lowest so far.
    """

    type: ClassVar[str] = "checkpoint"
    step: int
    path: str
    seconds: float | None = None
    bytes: int | None = None
    best: bool = False

    def fields(self) -> dict[str, object]:
        return {
            "step": self.step,
            "path": self.path,
            "bytes": self.bytes,
            "best": self.best,
            "seconds": self.seconds,
        }

    @classmethod
    def read(cls, fields: Fields, common: Common) -> CheckpointEvent | None:
        if (step := whole(fields, "step")) is None:
            return None
        path, seconds, size = text(fields, "path"), number(fields, "seconds"), whole(fields, "bytes")
        return cls(step, path, seconds, size, flag(fields, "best"), **common)


@dataclass(frozen=True)
class SampleEvent(Event):
    """What the model wrote after a prompt."""

    type: ClassVar[str] = "sample"
    step: int
    prompt: str
    text: str

    def fields(self) -> dict[str, object]:
        return {"step": self.step, "prompt": self.prompt, "text": self.text}

    @classmethod
    def read(cls, fields: Fields, common: Common) -> SampleEvent | None:
        return cls(whole(fields, "step") or 0, text(fields, "prompt"), text(fields, "text"), **common)


@dataclass(frozen=True)
class ReplyEvent(Event):
    """A run that was talked to has answered: the request `id`, in replies/ID.jsonl; `cost` is how long the run waited."""

    type: ClassVar[str] = "reply_end"
    step: int
    id: str
    end: str = ""
    tokens: int = 0
    cost: float | None = None

    def fields(self) -> dict[str, object]:
        return {"step": self.step, "id": self.id, "end": self.end, "tokens": self.tokens, "cost": self.cost}

    @classmethod
    def read(cls, fields: Fields, common: Common) -> ReplyEvent | None:
        tokens, cost = whole(fields, "tokens") or 0, number(fields, "cost")
        return cls(whole(fields, "step") or 0, text(fields, "id"), text(fields, "end"), tokens, cost, **common)


@dataclass(frozen=True)
class ResourcesEvent(Event):
    """A reading of the device and the machine.

    Attributes:
        readings: bytes, percent and degrees Celsius by name: `cpu_percent`, `ram_used`, `ram_total`, `process_ram`,
            `gpu_memory_used`, `gpu_memory_total`, `gpu_utilization`, `gpu_temperature`.
        device: the GPU's name, '' on a CPU.
    """

    type: ClassVar[str] = "resources"
    readings: Mapping[str, float]
    device: str = ""

    def fields(self) -> dict[str, object]:
        return {**self.readings, **({"gpu_name": self.device} if self.device else {})}

    @classmethod
    def read(cls, fields: Fields, common: Common) -> ResourcesEvent | None:
        readings = {
            _SPELLED.get(key, key): value
            for key, given in fields.items()
            if key not in BESIDE_VALUES and (value := as_number(given)) is not None
        }
        return cls(readings, text(fields, "gpu_name"), **common)


_SPELLED = {"gpu_utilisation": "gpu_utilization"}
"""Names of before."""

_LEVELS: dict[object, Level] = {"good": "good", "info": "info", "warning": "warning", "error": "error"}


@dataclass(frozen=True)
class NoticeEvent(Event):
    """Something that a person should know."""

    type: ClassVar[str] = "notice"
    notice: Notice

    def fields(self) -> dict[str, object]:
        notice = self.notice
        setting = {"setting": notice.setting} if notice.setting else {}
        return {"level": notice.level, "message": notice.message, "remedy": notice.remedy, **setting}

    @classmethod
    def read(cls, fields: Fields, common: Common) -> NoticeEvent | None:
        level = fields.get("level")
        found = _LEVELS.get(level, "info") if isinstance(level, str) else "info"
        notice = Notice(found, text(fields, "message"), text(fields, "remedy"), text(fields, "setting") or None)
        return cls(notice, **common)


@dataclass(frozen=True)
class CurvesEvent(Event):
    """Many logged points at once, of a log that was skimmed; never written.

    Attributes:
        steps, losses: the points of the training loss.
        later: reads the other numbers of the same steps.
    """

    type: ClassVar[str] = "curves"
    steps: Sequence[int] = ()
    losses: Sequence[float] = ()
    later: Later = dict


_KINDS = {
    kind.type: kind
    for kind in (
        StatusEvent,
        PhaseEvent,
        ProgressEvent,
        MetricsEvent,
        CheckpointEvent,
        SampleEvent,
        ReplyEvent,
        ResourcesEvent,
        NoticeEvent,
        FactsEvent,
        SpikeEvent,
        CheckEvent,
    )
}


def from_fields(fields: object) -> Event | None:
    """The event in a parsed line; None where it is none, or of a kind that this version doesn't know."""
    if not isinstance(fields, dict) or not isinstance(kind := fields.get("type"), str) or kind not in _KINDS:
        return None
    given = fields.get("answers")
    answers = tuple(item for item in given if isinstance(item, str)) if isinstance(given, list) else ()
    return _KINDS[kind].read(fields, {"time": number(fields, "time"), "answers": answers})


def _finite(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value


def to_fields(event: Event) -> dict[str, object]:
    """An event as it stands in its line."""
    answers = {"answers": list(event.answers)} if event.answers else {}
    return {"time": event.time, "type": event.type, **event.fields(), **answers}


def to_line(event: Event) -> bytes:
    """One line of JSON. Numbers that JSON has no name for (nan, inf) become null; lone surrogates are escaped."""
    return json.dumps(_finite(to_fields(event)), ensure_ascii=True, separators=(",", ":"), default=str).encode() + b"\n"


def from_line(line: bytes) -> Event | None:
    """The event in a line, or None where it is not whole."""
    try:
        return from_fields(json.loads(line))
    except (ValueError, RecursionError):
        return None


def from_lines(lines: list[bytes]) -> list[Event]:
    """The events in many lines; those that are not whole are left out."""
    try:
        # All at once takes half the time, and nearly always works.
        found: Iterable[Event | None] = map(from_fields, json.loads(b"[" + b",".join(lines) + b"]"))
        return [event for event in found if event is not None]
    except (ValueError, RecursionError):
        return [event for line in lines if (event := from_line(line)) is not None]
