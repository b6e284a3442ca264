"""What the events of a run add up to: the one picture that every watcher shows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from tui_finetune.runs.events import ENDED, Event
from tui_finetune.runs.pace import Pace

_NUMBERS = (int, float)

MAX_RESOURCES = 600
"""Readings of the device that are kept, newest last."""


@dataclass
class Progress:
    """How far a phase is; ``total`` is None where it isn't known."""

    done: int = 0
    total: int | None = None
    unit: str = ""


@dataclass
class RunState:
    """The state of a run, built up from its events by `apply`.

    Attributes:
        status, reason: the newest status event's.
        phase, phase_label: what is being done.
        preparation: phases and labels before the first step of this start, oldest first.
        progress: how far each phase is, by the phase's name. 'training' counts steps.
        steps, losses: training loss over steps, in two lists of one length.
        eval_steps, eval_losses: evaluation loss over steps, likewise.
        latest: the newest value of every metric, and of `step` and `epoch`.
        asked_for: the steps of evaluations that were asked for on the side.
        best_eval_loss, best_step: the lowest evaluation loss and its step.
        checkpoints: checkpoint events, oldest first; of a step saved again, the newest.
        samples, notices: those events, oldest first.
        resources: the newest readings of the device.
        started, ended, updated: Unix seconds of the first event, of the ending status if there is one, of the newest.
        pace: how fast it goes, by the events' own clock.
    """

    status: str = "starting"
    reason: str = ""
    phase: str = ""
    phase_label: str = ""
    preparation: list[tuple[str, str]] = field(default_factory=list)
    progress: dict[str, Progress] = field(default_factory=dict)
    steps: list[int] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    eval_steps: list[int] = field(default_factory=list)
    eval_losses: list[float] = field(default_factory=list)
    latest: dict[str, Any] = field(default_factory=dict)
    asked_for: set[int] = field(default_factory=set)
    best_eval_loss: float | None = None
    best_step: int | None = None
    checkpoints: list[Event] = field(default_factory=list)
    samples: list[Event] = field(default_factory=list)
    notices: list[Event] = field(default_factory=list)
    resources: list[Event] = field(default_factory=list)
    started: float | None = None
    ended: float | None = None
    updated: float | None = None
    starts: int = 0
    details: dict[str, Any] = field(default_factory=dict)
    pace: Pace = field(default_factory=Pace)

    @property
    def is_over(self) -> bool:
        return self.status in ENDED

    @property
    def step(self) -> int:
        training = self.progress.get("training")
        return max(training.done if training else 0, int(self.latest.get("step") or 0))

    @property
    def total_steps(self) -> int | None:
        training = self.progress.get("training")
        return training.total if training else None

    def apply_all(self, events: Iterable[Event]) -> int:
        """Take in events, and return how many there were."""
        count = 0
        for event in events:
            self.apply(event)
            count += 1
        return count

    def apply(self, event: Event) -> None:
        """Take in one event. Fields that are missing or of types that are not known change nothing."""
        if isinstance(moment := event.get("time"), (int, float)):
            self.updated = moment
            if self.started is None:
                self.started = moment
        self.pace.apply(event)
        if event["type"] == "metrics":
            self._on_metrics(event)
        elif (handler := getattr(self, f"_on_{event['type']}", None)) is not None:
            handler(event)

    def _on_status(self, event: Event) -> None:
        self.status = str(event.get("status", self.status))
        self.reason = str(event.get("reason") or "")
        self.ended = event.get("time") if self.is_over else None
        if self.status == "starting":
            self.starts += 1
            self.progress, self.details = {}, {}
            self.preparation = []
            self.phase = self.phase_label = ""
            if isinstance(step := event.get("resumed_from"), int):
                self._forget_after(step)
        self.details.update({k: v for k, v in event.items() if k not in {"time", "type", "status", "reason"}})

    def _forget_after(self, step: int) -> None:
        """A resumed run goes on from a checkpoint: what was logged beyond it is computed again."""
        keep = sum(1 for s in self.steps if s <= step)
        del self.steps[keep:], self.losses[keep:]
        keep = sum(1 for s in self.eval_steps if s <= step)
        del self.eval_steps[keep:], self.eval_losses[keep:]
        self.latest = {"step": step}
        if self.losses:
            self.latest["loss"] = self.losses[-1]
        self.best_eval_loss = self.best_step = None
        for evaluated, loss in zip(self.eval_steps, self.eval_losses, strict=True):
            self.latest["eval_loss"] = loss
            if evaluated not in self.asked_for and (self.best_eval_loss is None or loss < self.best_eval_loss):
                self.best_eval_loss, self.best_step = loss, evaluated

    def _on_phase(self, event: Event) -> None:
        self.phase = str(event.get("phase", ""))
        self.phase_label = str(event.get("label") or "")
        if "training" not in self.progress and self.phase != "training":
            self.preparation.append((self.phase, self.phase_label))
        if self.phase != "training":
            self.progress.pop(self.phase, None)

    def _on_progress(self, event: Event) -> None:
        done, total = event.get("done"), event.get("total")
        self.progress[str(event.get("phase"))] = Progress(
            done if isinstance(done, int) else 0,
            total if isinstance(total, int) else None,
            str(event.get("unit") or ""),
        )

    def _on_metrics(self, event: Event) -> None:
        step = event.get("step")
        if not isinstance(step, int):
            return
        # A log may have a hundred thousand of these, and whoever attaches waits for them.
        latest = self.latest
        for key, value in event.items():
            if value.__class__ in _NUMBERS and key != "time":
                latest[key] = value
        if (loss := event.get("loss")).__class__ in _NUMBERS:
            self.steps.append(step)
            self.losses.append(loss)
        if (loss := event.get("eval_loss")).__class__ in _NUMBERS:
            self.eval_steps.append(step)
            self.eval_losses.append(loss)
            # An evaluation that was asked for on the side saves no checkpoint, so it can't be the best.
            if event.get("asked_for"):
                self.asked_for.add(step)
            elif self.best_eval_loss is None or loss < self.best_eval_loss:
                self.best_eval_loss, self.best_step = loss, step

    def _on_curve(self, event: Event) -> None:
        """Many losses, of a log that was skimmed."""
        steps, losses = event.get("steps"), event.get("losses")
        if isinstance(steps, list) and isinstance(losses, list) and len(steps) == len(losses):
            self.steps.extend(steps)
            self.losses.extend(losses)

    def _on_checkpoint(self, event: Event) -> None:
        self.checkpoints = [c for c in self.checkpoints if c.get("step") != event.get("step")] + [event]

    def _on_sample(self, event: Event) -> None:
        self.samples.append(event)

    def _on_notice(self, event: Event) -> None:
        self.notices.append(event)

    def _on_resources(self, event: Event) -> None:
        self.resources.append(event)
        del self.resources[:-MAX_RESOURCES]
