"""Runs that never were: event logs as a trainer writes them, for pictures and tests."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.events import Raw, line
from tui_finetune.config.schema import RunConfig
from tui_finetune.runs.directory import RunDirectory

BEGAN = 1_800_000_000.0
"""Unix seconds at which these runs begin, so that nothing in a picture depends on the clock."""

STORY = (
    "The old lighthouse kept its lamp lit while the fog came in. Mara counted the boats from the window, and when the "
    "last one had passed the rocks she went down to put the kettle on."
)


class FakeRun:
    """Writes the events of a run, one phase after the other, in the order and form of a real one.

    Args:
        path: the run's directory; made with a configuration in it.
        total: steps of the whole run, of three epochs.
        settings: for the configuration.
    """

    def __init__(self, path: Path, total: int = 600, seed: int = 1, **settings: Any) -> None:
        self.run = RunDirectory(path)
        self.total = total
        self.now = BEGAN
        self.step = 0
        self._random = random.Random(seed)
        self._level = 1.5 + self._random.random()
        self.run.create()
        self.run.write_config(RunConfig(**settings))
        self.write(
            [
                self.event(
                    "status",
                    status="starting",
                    model=RunConfig(**settings).model_name_or_path,
                    dataset=RunConfig(**settings).dataset_name,
                )
            ]
        )

    def event(self, kind: str, *, after: float = 0.05, **fields: Any) -> Raw:
        self.now += after
        return {"time": round(self.now, 3), "type": kind, **fields}

    def write(self, events: Iterable[Raw]) -> None:
        with self.run.events_path.open("ab") as file:
            file.writelines(line(event) for event in events)

    def status(self, status: str, **fields: Any) -> None:
        self.write([self.event("status", status=status, **fields)])

    def phase(self, phase: str, done: int, total: int | None, unit: str, label: str = "") -> None:
        """A phase that has come so far."""
        self.write(
            [
                self.event("phase", phase=phase, label=label),
                self.event("progress", phase=phase, done=done, total=total, unit=unit),
            ]
        )

    def prepare(self) -> None:
        """All that comes before the first step."""
        self.phase("loading_data", 1204, 1204, "rows")
        self.phase("preparing_data", 1204, 1204, "rows")
        self.phase("loading_model", 64, 64, "tensors")
        self.phase("checking", 1, 1, "check")
        self.begin_training()

    def begin_training(self) -> None:
        self.write(
            [
                self.event("status", status="running", total_steps=self.total),
                self.event("phase", phase="training", label=""),
                self.event("progress", phase="training", done=self.step, total=self.total, unit="steps"),
            ]
        )

    def loss(self, step: int) -> float:
        share = step / self.total
        return self._level + 1.9 * math.exp(-6 * share) - 0.25 * share + self._random.gauss(0, 0.07)

    def train(self, steps: int, *, every: int = 5, evaluate_every: int = 60, second_per_step: float = 0.4) -> None:
        """Go on for so many steps."""
        events = []
        for step in range(self.step + 1, self.step + steps + 1):
            events.append(
                self.event(
                    "progress", after=second_per_step, phase="training", done=step, total=self.total, unit="steps"
                )
            )
            epoch = round(3 * step / self.total, 4)
            if step % every == 0:
                rate = 2e-3 * (1 - step / self.total)
                speed = round(8100 + self._random.gauss(0, 120), 1)
                events.append(
                    self.event(
                        "metrics",
                        after=0,
                        step=step,
                        epoch=epoch,
                        loss=round(self.loss(step), 4),
                        learning_rate=rate,
                        grad_norm=0.8,
                        tokens_per_second=speed,
                        num_tokens=step * 3200,
                    )
                )
            if step % 10 == 0:
                events.append(self.resources())
            if step % evaluate_every == 0:
                events += self.evaluation(step, epoch)
        self.step += steps
        self.write(events)

    def resources(self) -> Raw:
        return self.event(
            "resources",
            after=0,
            cpu_percent=97.0,
            ram_used=2_100_000_000,
            ram_total=23_000_000_000,
            process_ram=900_000_000,
        )

    def evaluation(self, step: int, epoch: float) -> list[Raw]:
        share = step / self.total
        loss = round(self._level + 0.12 + 1.8 * math.exp(-6 * share) + 0.35 * max(share - 0.6, 0), 4)
        path = str(self.run.checkpoints_dir / f"checkpoint-{step}")
        return [
            self.event("phase", phase="evaluating", label="Evaluating"),
            *(
                self.event("progress", after=0.2, phase="evaluating", done=n, total=12, unit="batches")
                for n in (4, 8, 12)
            ),
            self.event("metrics", after=0, step=step, epoch=epoch, eval_loss=loss, eval_runtime=0.6),
            self.event("checkpoint", step=step, path=path, seconds=0.4, bytes=31_000_000, best=share < 0.65),
            self.event("phase", phase="training", label=""),
        ]

    def sample(self, prompt: str = "The old lighthouse", text: str = STORY) -> None:
        self.write([self.event("sample", step=self.step, prompt=prompt, text=text)])

    def notice(self, message: str, remedy: str = "", level: str = "warning") -> None:
        self.write([self.event("notice", level=level, message=message, remedy=remedy)])

    def finish(self, status: str = "finished", reason: str = "", **more: Any) -> None:
        """The last status, with what was saved where."""
        final = self.run.path / "final"
        final.mkdir(exist_ok=True)
        self.write(
            [
                self.event(
                    "status",
                    status=status,
                    reason=reason,
                    final_dir=str(final),
                    final_step=self.step,
                    checkpoint=str(self.run.checkpoints_dir / f"checkpoint-{self.step}"),
                    checkpoint_step=self.step,
                    plot=str(final / "training_plot.png"),
                    train_loss=1.73,
                    eval_loss=1.84,
                    train_runtime=243.0,
                    **more,
                )
            ]
        )


def half_way(path: Path, **settings: Any) -> FakeRun:
    """A run of 600 steps at step 360, with two samples and a notice."""
    fake = FakeRun(path, **settings)
    fake.prepare()
    fake.train(150)
    fake.sample()
    fake.notice("12 texts are longer than max_length.", "they are split; raise max_length to keep them whole", "info")
    fake.train(210)
    fake.sample(text="The old lighthouse stood where the two tides met, and nobody had painted it since the war.")
    return fake
