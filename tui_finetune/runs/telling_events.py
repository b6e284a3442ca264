"""Events that a run's verdict is made from: its numbers that don't change, and losses that stood out."""

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
