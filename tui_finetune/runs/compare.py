"""Several runs beside each other: where their settings differ, and what came of it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tui_finetune.config.schema import RunConfig, settings
from tui_finetune.errors import UserError
from tui_finetune.formatting import amount, duration
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.health import verdict
from tui_finetune.runs.series import Series
from tui_finetune.runs.state import RunState
from tui_finetune.runs.status import WRONG, word
from tui_finetune.runs.summary import load_state, status_of
from tui_finetune.runs.verdict import Verdict

Axis = Literal["step", "tokens", "time"]
AXES: tuple[Axis, ...] = ("step", "tokens", "time")

_OWN = frozenset({"output_dir", "final_model_dir", "model_revision"})
_UNKNOWN = "–"


@dataclass(frozen=True)
class ComparedRun:
    """One of the runs.

    Attributes:
        run: its directory.
        state: what its events add up to.
        status: as a watcher sees it.
        config: its settings, where they can be read.
        verdict: how it did.
    """

    run: RunDirectory
    state: RunState
    status: str
    config: RunConfig | None
    verdict: Verdict

    @property
    def tokens(self) -> float | None:
        """Tokens that it was trained on."""
        return self.state.curves.newest("num_tokens")

    @property
    def tokens_per_second(self) -> float | None:
        """Useful tokens a second, over its whole time."""
        seconds = self.state.pace.active_seconds
        return self.tokens / seconds if self.tokens and seconds else None

    def along(self, curve: Series, axis: Axis) -> tuple[list[float], list[float]]:
        """A curve by steps, by tokens trained on, or by seconds of work: places and values."""
        steps = list(curve.steps)
        if axis == "step":
            return [float(step) for step in steps], list(curve.values)
        known = self.state.curve("num_tokens") if axis == "tokens" else self.state.seconds
        return [_between(known, step) for step in steps], list(curve.values)

    def to_json(self) -> dict[str, object]:
        state = self.state
        return {
            "name": self.run.name,
            "path": str(self.run.path),
            "status": self.status,
            "steps": state.step,
            "loss_before": state.loss_before,
            "best_eval_loss": state.best_eval_loss,
            "best_step": state.best_step,
            "train_loss": state.losses.newest,
            "tokens": self.tokens,
            "seconds": round(state.pace.active_seconds, 2),
            "tokens_per_second": round(self.tokens_per_second, 1) if self.tokens_per_second else None,
            "verdict": self.verdict.to_fields(),
        }


def _between(known: Series, step: int) -> float:
    """The value at a step, on the line between the points beside it; from 0 at step 0."""
    steps, values = known.steps, known.values
    place = bisect_right(steps, step)
    if place and steps[place - 1] == step:
        return values[place - 1]
    if place == len(steps):
        return values[-1] if values else float(step)
    before, start = (steps[place - 1], values[place - 1]) if place else (0, 0.0)
    return start + (values[place] - start) * (step - before) / max(steps[place] - before, 1)


def compared(run: RunDirectory) -> ComparedRun:
    """Read a run to compare it."""
    state = load_state(run)
    try:
        config: RunConfig | None = run.read_config()
    except UserError:
        config = None
    return ComparedRun(run, state, status_of(run, state), config, verdict(state, config))


def differing_settings(runs: Sequence[ComparedRun]) -> list[tuple[str, list[str]]]:
    """The settings in which they differ: key, and each run's value as it is written."""
    found = []
    for key, item in settings().items():
        if key in _OWN:
            continue
        values = [_UNKNOWN if run.config is None else item.show(getattr(run.config, key)) for run in runs]
        if len(set(values)) > 1:
            found.append((key, values))
    return found


def results(runs: Sequence[ComparedRun]) -> list[tuple[str, list[str]]]:
    """What came of each: a label, and each run's value."""

    def number(value: float | None, digits: int = 4) -> str:
        return _UNKNOWN if value is None else f"{value:.{digits}f}"

    best = min((run.state.best_eval_loss for run in runs if run.state.best_eval_loss is not None), default=None)

    def lowest(value: float | None) -> str:
        return number(value) + (" ★" if value is not None and value == best and len(runs) > 1 else "")

    def count(value: float | None) -> str:
        return _UNKNOWN if value is None else amount(value)

    states = [run.state for run in runs]
    return [
        ("status", [WRONG if run.verdict.went_wrong and run.state.is_over else word(run.status) for run in runs]),
        ("eval loss before", [number(state.loss_before) for state in states]),
        ("best eval loss", [lowest(state.best_eval_loss) for state in states]),
        ("at step", [_UNKNOWN if state.best_step is None else f"{state.best_step:,}" for state in states]),
        ("training loss", [number(state.losses.newest) for state in states]),
        ("steps", [f"{state.step:,}" for state in states]),
        ("tokens", [count(run.tokens) for run in runs]),
        ("time", [duration(state.pace.active_seconds) if state.pace.active_seconds else _UNKNOWN for state in states]),
        ("tokens/s", [count(run.tokens_per_second) for run in runs]),
    ]


_TOLD = ("status", "best eval loss", "at step", "steps", "time")


def side_by_side(runs: Sequence[ComparedRun]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Many runs, a row each: its name, what came of it, and the settings in which they differ; and the columns' names."""
    told = [(label, values) for label, values in results(runs) if label in _TOLD]
    columns = [("run", [run.run.name for run in runs]), *told, *(differing_settings(runs) if len(runs) > 1 else [])]
    return tuple(label for label, _ in columns), list(zip(*(values for _, values in columns), strict=True))
