"""Runs that never were, healthy and sick: seeded curves, with what has to be found in them."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.events import event
from tui_finetune.config.schema import RunConfig
from tui_finetune.runs.state import RunState

Curve = Callable[[float], float]
"""A loss by how far the run is, from 0 to 1."""


@dataclass
class Case:
    """A run as it was logged.

    Attributes:
        training, evaluation: the losses without noise, by how far the run is.
        points: how often the training loss was logged.
        evaluations: how often it was evaluated; 0 for never.
        before: whether the loss before training is known.
        noise, eval_noise: standard deviations, as shares of the loss.
        spikes: factors by the number of a point.
        gradient: its norm by how far the run is; None where it isn't logged.
        status: 'finished', 'running', ...
        settings: of the configuration.
        facts: as `FactsEvent` has them.
        readings: of the device, the last.
        silent: seconds without a word at the end.
        failed: the loss was no longer a number.
        finds: kinds that have to be found; of a healthy run none.
    """

    training: Curve
    evaluation: Curve | None = None
    points: int = 120
    evaluations: int = 6
    before: bool = True
    noise: float = 0.03
    eval_noise: float = 0.002
    spikes: dict[int, float] = field(default_factory=dict)
    gradient: Curve | None = lambda share: 1.0
    status: str = "finished"
    settings: dict[str, object] = field(default_factory=dict)
    facts: dict[str, float] = field(default_factory=dict)
    readings: dict[str, float] = field(default_factory=dict)
    silent: float = 0.0
    speed: Curve = lambda share: 8000.0
    failed: bool = False
    finds: frozenset[str] = frozenset()

    def config(self) -> RunConfig:
        return RunConfig.model_validate({"learning_rate": 2e-5, **self.settings})

    def state(self, seed: int) -> RunState:
        """The state that its events add up to."""
        rng = random.Random(seed)
        evaluation = self.evaluation or (lambda share: self.training(share) * 1.03)
        state, time, every = RunState(), 1_800_000_000.0, 5
        total = every * self.points if self.status == "finished" else every * self.points * 2

        def tell(kind: str, **fields: object) -> None:
            state.apply(event(kind, **{"time": time, **fields}))

        tell("status", status="starting", model="m", dataset="d")
        tell("facts", **{"learning_rate": self.config().learning_rate, **self.facts})
        tell("status", status="running", total_steps=total)
        tell("phase", phase="training")
        if self.before and self.evaluations:
            tell("metrics", step=0, eval_loss=evaluation(0.0), before_training=True)
        evaluated = {max(round(self.points * (n + 1) / self.evaluations), 1) for n in range(self.evaluations)}
        for point in range(1, self.points + 1):
            share, step = point / self.points, every * point
            time += 2.0
            tell("progress", phase="training", done=step, total=total, unit="steps")
            loss = self.training(share) * (1 + rng.gauss(0, self.noise)) * self.spikes.get(point, 1.0)
            gradient = {} if self.gradient is None else {"grad_norm": self.gradient(share)}
            speed = self.speed(share) * (1 + rng.gauss(0, 0.03))
            tell("metrics", step=step, epoch=share, loss=loss, learning_rate=1e-5, tokens_per_second=speed, **gradient)
            if point in evaluated:
                measured = evaluation(share) * (1 + rng.gauss(0, self.eval_noise))
                tell("metrics", step=step, epoch=share, eval_loss=measured)
        if self.readings:
            tell("resources", **self.readings)
        if self.failed:
            tell("status", status="failed", reason="the loss", not_finite=True)
        elif self.status != "running":
            tell("status", status=self.status)
        return state

    @property
    def now(self) -> float:
        """The time at which it is looked at."""
        return 1_800_000_000.0 + 2.0 * self.points + self.silent


def falls(start: float, end: float, pace: float = 5.0) -> Curve:
    """Quickly at first, then ever more slowly."""
    return lambda share: end + (start - end) * math.exp(-pace * share)


def line(start: float, end: float) -> Curve:
    return lambda share: start + (end - start) * share


def turns(start: float, least: float, at: float, end: float) -> Curve:
    """Down to its least, then up."""
    return lambda share: (
        start + (least - start) * share / at if share < at else least + (end - least) * (share - at) / (1 - at)
    )


HEALTHY = [
    Case(falls(3.9, 1.3)),
    Case(falls(3.9, 1.3), noise=0.1),
    Case(falls(0.69, 0.01), falls(0.69, 0.1), spikes={70: 20.0, 90: 30.0, 100: 25.0}, gradient=lambda share: 80.0,
         settings={"task": "dpo", "learning_rate": 1e-6}),
    Case(falls(0.69, 0.05), line(0.69, 0.3), settings={"task": "dpo", "method": "lora", "learning_rate": 1e-5}),
    Case(falls(0.5, 0.3), falls(0.5, 0.35), noise=0.1, settings={"task": "kto", "learning_rate": 5e-7}),
    Case(falls(3.9, 1.3), noise=0.15, points=400),
    Case(falls(2.1, 1.7), noise=0.05),
    Case(falls(1.9, 1.82), noise=0.04, evaluations=4),
    Case(line(2.4, 2.0)),
    Case(line(2.4, 2.3), noise=0.06, evaluations=10),
    Case(falls(8.0, 2.5, 8.0), before=False),
    Case(falls(3.0, 1.5), evaluations=0),
    Case(falls(3.0, 1.5), evaluations=1),
    Case(falls(3.0, 1.5), points=12, evaluations=3),
    Case(falls(3.0, 1.5), points=5, evaluations=1),
    Case(falls(3.0, 1.5), points=2000, noise=0.1),
    Case(falls(3.0, 1.5), status="running"),
    Case(falls(3.0, 1.5), status="running", points=4, evaluations=0),
    Case(falls(3.0, 1.5), status="running", points=1, evaluations=0),
    Case(falls(3.0, 1.5), status="stopped"),
    Case(lambda share: 2.0 + 1.0 * math.exp(-5 * share) + 0.6 * math.sin(20 * share) * math.exp(-4 * share)),
    Case(lambda share: 3.0 + 0.4 * math.sin(math.pi * min(share * 20, 1)) - 1.2 * share, settings={"warmup_steps": 0.05}),
    Case(falls(0.9, 0.35), noise=0.1),
    Case(falls(1.2, 0.9), eval_noise=0.004, evaluations=12),
    Case(falls(3.0, 1.5), lambda share: 1.7 + 1.4 * math.exp(-5 * share)),
    Case(falls(3.0, 1.2), lambda share: 1.8 + 1.2 * math.exp(-6 * share), eval_noise=0.0015, evaluations=8),
    Case(falls(3.0, 1.5), gradient=lambda share: 12.0),
    Case(falls(3.0, 1.5), gradient=lambda share: 400.0 if share < 0.1 else 3.0, points=200),
    Case(falls(3.0, 1.5), spikes={60: 1.12}, noise=0.05),
    Case(falls(3.9, 1.2), settings={"learning_rate": 2e-3}, facts={"suggested_rate": 2e-3}),
    Case(falls(3.9, 1.2), settings={"learning_rate": 2e-4}, facts={"suggested_rate": 2e-5}),
    Case(falls(3.0, 1.5), facts={"tokens": 1e6, "cut_tokens": 2e4, "documents": 900.0, "left_out": 100.0}),
    Case(falls(3.0, 1.5), status="running", silent=300.0,
         readings={"ram_used": 8e9, "ram_total": 16e9, "gpu_temperature": 80.0}),
]  # fmt: skip


def _finds(*kinds: str) -> frozenset[str]:
    return frozenset(kinds)


SICK = [
    Case(lambda s: 13.1 + 70 * min(3 * s, 1), settings={"learning_rate": 1.0}, facts={"suggested_rate": 2e-3}, before=False,
         evaluations=0, finds=_finds("diverged")),
    Case(lambda s: 140 - 57 * s, lambda s: 3.9 if s == 0 else 84.0, finds=_finds("diverged")),
    Case(lambda s: 110 - 103.6 * s, lambda s: 3.9 if s == 0 else 6.4, finds=_finds("diverged")),
    Case(lambda s: turns(13.3, 178.0, 0.25, 6.5)(min(s / 0.7, 1)), lambda s: 13.2 if s == 0 else 6.46, points=30, evaluations=1,
         settings={"learning_rate": 1.0, "warmup_steps": 10}, facts={"suggested_rate": 2e-3}, finds=_finds("shot-up")),
    Case(falls(11.1, 4.4), lambda s: 13.2 if s == 0 else 4.47, points=30, evaluations=1,
         settings={"learning_rate": 0.1}, facts={"suggested_rate": 2e-3}, finds=_finds("rate")),
    Case(turns(3.0, 1.0, 0.4, 4.2), finds=_finds("diverged"), noise=0.1),
    Case(turns(3.0, 0.9, 0.4, 3.4), finds=_finds("diverged")),
    Case(line(2.0, 3.5), before=False, evaluations=0, finds=_finds("diverged")),
    Case(line(2.0, 3.5), status="running", points=20, evaluations=0, finds=_finds("diverged")),
    Case(line(3.0, 9.0), points=3, evaluations=0, before=False, finds=_finds("diverged")),
    Case(line(2.0, 2.4), before=False, evaluations=0, finds=_finds("risen")),
    Case(falls(3.0, 1.5), failed=True, finds=_finds("not-finite")),
    Case(line(3.0, 3.0), lambda s: 3.0, eval_noise=0.0003, finds=_finds("flat"), settings={"learning_rate": 1e-7},
         facts={"suggested_rate": 2e-3}),
    Case(line(3.0, 3.0), evaluations=0, noise=0.04, settings={"learning_rate": 1e-8}, finds=_finds("flat")),
    Case(line(3.0, 2.995), evaluations=0, noise=0.004, finds=_finds("flat")),
    Case(line(3.0, 2.999), lambda s: 3.1 - 0.002 * s, eval_noise=0.0005, noise=0.1, finds=_finds("flat"), status="running"),
    Case(falls(3.0, 1.5), settings={"learning_rate": 0.5}, status="running", points=4, evaluations=0, finds=_finds("rate")),
    Case(falls(3.0, 2.9), settings={"learning_rate": 1e-9}, status="running", points=4, evaluations=0, finds=_finds("rate")),
    Case(falls(3.0, 0.6), turns(3.1, 1.8, 0.4, 2.3), finds=_finds("overfitting")),
    Case(falls(3.0, 0.9), turns(3.1, 1.8, 0.5, 1.86), eval_noise=0.0005, finds=_finds("overfitting")),
    Case(falls(3.0, 0.9), turns(3.1, 1.8, 0.34, 2.4), evaluations=3, finds=_finds("overfitting")),
    Case(falls(3.0, 0.6), turns(3.1, 1.8, 0.4, 2.3), status="running", finds=_finds("overfitting")),
    Case(falls(3.0, 0.05), turns(3.1, 1.8, 0.3, 2.6), finds=_finds("memorized")),
    Case(turns(3.0, 1.5, 0.4, 1.9), turns(3.1, 1.6, 0.4, 2.0), finds=_finds("rising")),
    Case(line(2.5, 2.6), lambda s: 2.5 + 0.2 * s, finds=_finds("no-better")),
    Case(line(2.5, 2.4), lambda s: 2.5 if s == 0 else 2.9 - 0.1 * s, finds=_finds("no-better")),
    Case(falls(3.0, 1.5), gradient=lambda s: 120.0, finds=_finds("gradient-high")),
    Case(line(3.0, 3.0), gradient=lambda s: 0.0, noise=0.0, finds=_finds("gradient-zero")),
    Case(falls(3.0, 1.5), spikes={100: 4.0}, status="running", finds=_finds("spike")),
    Case(falls(3.0, 1.5), spikes={80: 3.0, 95: 4.0, 110: 3.5}, finds=_finds("unrest")),
    Case(falls(3.0, 1.5), facts={"tokens": 8e5, "cut_tokens": 2e5, "documents": 300.0, "left_out": 200.0},
         finds=_finds("cut-off", "left-out")),
    Case(falls(3.0, 1.5), status="running", silent=700.0, speed=lambda s: 8000.0 if s < 0.7 else 3000.0, points=200,
         readings={"gpu_memory_used": 76e9, "gpu_memory_total": 80e9, "gpu_temperature": 93.0},
         finds=_finds("memory", "heat", "silent", "slow")),
]  # fmt: skip
