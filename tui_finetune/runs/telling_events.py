"""Events that a run is judged by: its numbers that don't change, losses that stood out, what the check measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from tui_finetune.runs.event import BESIDE_VALUES, Common, Event
from tui_finetune.runs.values import Fields, as_number, as_whole, number, whole


@dataclass(frozen=True)
class FactsEvent(Event):
    """Numbers of the run that don't change: what findings are judged by.

    Attributes:
        values: `learning_rate`; `suggested_rate`, the one that the model's folder suggests; `documents`, `left_out`,
            `over_max_length`, `tokens`, `cut_tokens` of the data, and `warmup_steps`.
    """

    type: ClassVar[str] = "facts"
    values: Mapping[str, float]

    def fields(self) -> dict[str, object]:
        return dict(self.values)

    @classmethod
    def read(cls, fields: Fields, common: Common) -> FactsEvent | None:
        values = {
            key: value
            for key, given in fields.items()
            if key not in BESIDE_VALUES and (value := as_number(given)) is not None
        }
        return cls(values, **common)


@dataclass(frozen=True)
class SpikeEvent(Event):
    """A loss stood out.

    Attributes:
        step: the step whose batch it was.
        loss, usual: of that step, and the mean of the points before.
        rows: rows of the data set, from 1, that were in the batch; none where that isn't known.
    """

    type: ClassVar[str] = "spike"
    step: int
    loss: float
    usual: float
    rows: tuple[int, ...] = ()

    def fields(self) -> dict[str, object]:
        return {"step": self.step, "loss": self.loss, "usual": self.usual, "rows": list(self.rows)}

    @classmethod
    def read(cls, fields: Fields, common: Common) -> SpikeEvent | None:
        step, loss, usual = whole(fields, "step"), number(fields, "loss"), number(fields, "usual")
        if step is None or loss is None or usual is None:
            return None
        given = fields.get("rows")
        rows = tuple(row for row in map(as_whole, given) if row is not None) if isinstance(given, list) else ()
        return cls(step, loss, usual, rows, **common)


@dataclass(frozen=True)
class CheckEvent(Event):
    """What the check before training measured.

    Attributes:
        needed: bytes of memory that the run takes at most: what was measured, and what is still to come by the formula.
            None where the device doesn't tell.
        estimated: the same by the formula alone.
        usable: bytes of memory that it may take.
        batch_seconds: a micro-batch of the longest rows, forward and backward.
        batch_tokens: in that micro-batch, padding included.
        length: tokens of its longest row.
        training_seconds: all steps, at that speed; without evaluation.
        disk: bytes that the run will have on the disk at once.
        disk_free: bytes that are free there.
        save_seconds: a checkpoint, by the piece that was written.
    """

    type: ClassVar[str] = "check"
    needed: int | None = None
    estimated: int | None = None
    usable: int | None = None
    batch_seconds: float | None = None
    batch_tokens: int | None = None
    length: int | None = None
    training_seconds: float | None = None
    disk: int | None = None
    disk_free: int | None = None
    save_seconds: float | None = None

    def fields(self) -> dict[str, object]:
        return {key: value for key in _MEASURED if (value := getattr(self, key)) is not None}

    @classmethod
    def read(cls, fields: Fields, common: Common) -> CheckEvent | None:
        return cls(
            needed=whole(fields, "needed"),
            estimated=whole(fields, "estimated"),
            usable=whole(fields, "usable"),
            batch_seconds=number(fields, "batch_seconds"),
            batch_tokens=whole(fields, "batch_tokens"),
            length=whole(fields, "length"),
            training_seconds=number(fields, "training_seconds"),
            disk=whole(fields, "disk"),
            disk_free=whole(fields, "disk_free"),
            save_seconds=number(fields, "save_seconds"),
            **common,
        )


_MEASURED = (
    "needed", "estimated", "usable", "batch_seconds", "batch_tokens", "length", "training_seconds", "disk", "disk_free",
    "save_seconds",
)  # fmt: skip
