"""What the events of a run add up to: the one picture that every watcher shows."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from tui_finetune.runs.events import (
    ENDED,
    CheckEvent,
    CheckpointEvent,
    CurvesEvent,
    Event,
    FactsEvent,
    MetricsEvent,
    NoticeEvent,
    PhaseEvent,
    ProgressEvent,
    ResourcesEvent,
    SampleEvent,
    SpikeEvent,
    StatusEvent,
)
from tui_finetune.runs.pace import Pace
from tui_finetune.runs.result import RunResult
from tui_finetune.runs.series import EVAL_LOSS, LOSS, Curves, Series
from tui_finetune.runs.story import Happened, happened

MAX_RESOURCES = 600
"""Readings of the device that are kept, newest last."""


MAX_STORY = 2000
"""Lines of what happened that are kept, newest last."""

_NO_STORY = (ProgressEvent, ResourcesEvent, CurvesEvent)


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
        stop_reason: of a start that was asked to stop, who asked: a signal's name, a command, or '' for a person in the app.
        result: how it ended, once it has.
        phase, phase_label: what is being done.
        preparation: phases and labels before the first step of this start, oldest first.
        progress: how far each phase is, by the phase's name. 'training' counts steps.
        curves: every number that was logged, over steps, by its name. `curves.newest(name)` costs nothing.
        logged_step, epoch: of the newest metrics.
        asked_for: the steps of evaluations that were asked for on the side.
        obeyed: the steps at which something was done because it was asked for.
        resumes: the steps from which it was resumed, each with the settings that were changed, in words; '' for none.
        loss_before: the evaluation loss before the first step, which is in no curve; None where there was none.
        best_eval_loss, best_step: the lowest evaluation loss and its step.
        checkpoints: checkpoint events, oldest first; of a step saved again, the newest.
        samples, notices: those events, oldest first.
        story: what happened, oldest first, the newest of it.
        facts: numbers that don't change, as `FactsEvent` has them.
        spikes: losses that stood out, oldest first.
        checked: what the check before training measured.
        resources: the newest readings of the device.
        memory: bytes that the run takes of the device's memory, on a CPU of the machine's, over steps.
        answered: ids of the requests that were answered.
        started, ended, updated: Unix seconds of the first event, of the ending status if there is one, of the newest.
        model, dataset: their names, as the newest start told them.
        starts: how often it was started or resumed.
        resumed_from: the step that the newest start went on from; None where it was the first.
        taught: whether its model is taught 'turns' or 'text'; None where it doesn't say, and can't be talked to.
        seconds: of work by the steps at which something was logged.
        pace: how fast it goes, by the events' own clock.
    """

    status: str = "starting"
    reason: str = ""
    stop_reason: str = ""
    result: RunResult | None = None
    phase: str = ""
    phase_label: str = ""
    preparation: list[tuple[str, str]] = field(default_factory=list)
    progress: dict[str, Progress] = field(default_factory=dict)
    curves: Curves = field(default_factory=Curves)
    logged_step: int = 0
    epoch: float | None = None
    asked_for: set[int] = field(default_factory=set)
    obeyed: set[int] = field(default_factory=set)
    resumes: dict[int, str] = field(default_factory=dict)
    loss_before: float | None = None
    best_eval_loss: float | None = None
    best_step: int | None = None
    checkpoints: list[CheckpointEvent] = field(default_factory=list)
    samples: list[SampleEvent] = field(default_factory=list)
    notices: list[NoticeEvent] = field(default_factory=list)
    story: deque[Happened] = field(default_factory=lambda: deque(maxlen=MAX_STORY))
    facts: dict[str, float] = field(default_factory=dict)
    spikes: list[SpikeEvent] = field(default_factory=list)
    checked: CheckEvent | None = None
    resources: list[ResourcesEvent] = field(default_factory=list)
    memory: Series = field(default_factory=Series)
    answered: set[str] = field(default_factory=set)
    started: float | None = None
    ended: float | None = None
    updated: float | None = None
    model: str = ""
    dataset: str = ""
    starts: int = 0
    resumed_from: int | None = None
    taught: str | None = None
    seconds: Series = field(default_factory=Series)
    pace: Pace = field(default_factory=Pace)

    @property
    def is_over(self) -> bool:
        return self.status in ENDED

    @property
    def step(self) -> int:
        training = self.progress.get("training")
        return max(training.done if training else 0, self.logged_step)

    @property
    def total_steps(self) -> int | None:
        training = self.progress.get("training")
        return training.total if training else None

    def curve(self, name: str) -> Series:
        """A curve, empty where nothing of that name was logged."""
        return self.curves.get(name) or Series()

    @property
    def losses(self) -> Series:
        """The training loss."""
        return self.curve(LOSS)

    @property
    def eval_losses(self) -> Series:
        """The evaluation loss."""
        return self.curve(EVAL_LOSS)

    @property
    def has_points(self) -> bool:
        """Whether there is a loss to draw."""
        return bool(self.losses or self.eval_losses)

    def apply_all(self, events: Iterable[Event]) -> int:
        """Take in events, and return how many there were."""
        count = 0
        for event in events:
            self.apply(event)
            count += 1
        return count

    def apply(self, event: Event) -> None:
        """Take in one event."""
        if event.time is not None:
            self.updated = event.time
            if self.started is None:
                self.started = event.time
        if event.answers:
            self.answered.update(event.answers)
            if isinstance(event, (MetricsEvent, CheckpointEvent, SampleEvent)):
                self.obeyed.add(event.step)
        self.pace.apply(event)
        self._take(event)
        if not isinstance(event, _NO_STORY) and (line := happened(event)) is not None:
            self.story.append(line)

    def _take(self, event: Event) -> None:
        # The most frequent first: a log may have a million of them.
        if isinstance(event, ProgressEvent):
            self.progress[event.phase] = Progress(event.done, event.total, event.unit)
        elif isinstance(event, MetricsEvent):
            self._on_metrics(event)
        elif isinstance(event, ResourcesEvent):
            self._on_resources(event)
        elif isinstance(event, CurvesEvent):
            if event.steps:
                self.curves.extend(event.steps, event.losses, event.later)
        elif isinstance(event, PhaseEvent):
            self._on_phase(event)
        elif isinstance(event, StatusEvent):
            self._on_status(event)
        elif isinstance(event, CheckpointEvent):
            self.checkpoints = [saved for saved in self.checkpoints if saved.step != event.step] + [event]
        elif isinstance(event, SampleEvent):
            self.samples.append(event)
        elif isinstance(event, NoticeEvent):
            self.notices.append(event)
        elif isinstance(event, FactsEvent):
            self.facts.update(event.values)
        elif isinstance(event, SpikeEvent):
            self.spikes.append(event)
        elif isinstance(event, CheckEvent):
            self.checked = event

    def _on_resources(self, event: ResourcesEvent) -> None:
        self.resources.append(event)
        del self.resources[:-MAX_RESOURCES]
        used = event.readings.get("gpu_memory_used", event.readings.get("process_ram"))
        if used is not None:
            self.memory.add(self.step, used)

    def _on_status(self, event: StatusEvent) -> None:
        self.status, self.reason, self.result = event.status, event.reason, event.result
        self.taught = event.taught or self.taught
        self.ended = event.time if self.is_over else None
        if self.status in {"starting", "stopping"}:
            self.stop_reason = event.reason
        if self.status == "starting":
            self.starts += 1
            self.model, self.dataset = event.model or self.model, event.dataset or self.dataset
            self.progress = {}
            self.preparation = []
            self.phase = self.phase_label = ""
            self.resumed_from = event.resumed_from
            if event.resumed_from is not None:
                self.resumes = {step: words for step, words in self.resumes.items() if step < event.resumed_from}
                self.resumes[event.resumed_from] = event.changed
                self._forget_after(event.resumed_from)

    def _forget_after(self, step: int) -> None:
        """A resumed run goes on from a checkpoint: what was logged beyond it is computed again."""
        self.curves.forget_after(step)
        self.seconds.forget_after(step)
        self.memory.forget_after(step)
        self.obeyed = {at for at in self.obeyed if at <= step}
        self.logged_step = step
        self.spikes = [spike for spike in self.spikes if spike.step <= step]
        self.epoch = None
        self.best_eval_loss = self.best_step = None
        for evaluated, loss in self.eval_losses:
            if evaluated not in self.asked_for:
                self._note_best(evaluated, loss)

    def _note_best(self, step: int, loss: float) -> None:
        if math.isfinite(loss) and (self.best_eval_loss is None or loss < self.best_eval_loss):
            self.best_eval_loss, self.best_step = loss, step

    def _on_phase(self, event: PhaseEvent) -> None:
        self.phase, self.phase_label = event.phase, event.label
        if "training" not in self.progress and self.phase != "training":
            self.preparation.append((self.phase, self.phase_label))
        if self.phase != "training":
            self.progress.pop(self.phase, None)

    def _on_metrics(self, event: MetricsEvent) -> None:
        if event.before_training:
            self.loss_before = event.values.get(EVAL_LOSS, self.loss_before)
            return
        self.logged_step = event.step
        self.seconds.add(event.step, self.pace.active_seconds)
        self.epoch = event.epoch if event.epoch is not None else self.epoch
        self.curves.add(event.step, event.values)
        if (loss := event.values.get(EVAL_LOSS)) is not None:
            # What was asked for on the side saves no checkpoint, so it can't be the best.
            if event.asked_for:
                self.asked_for.add(event.step)
            else:
                self._note_best(event.step, loss)
