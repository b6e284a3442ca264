"""Golden loss curves: what a few small runs log, kept in files, so that no change moves a loss unnoticed.

`python -m tests.training.losses` rewrites the files, or only those that are named. A change in one is a decision, which
the commit explains.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.tiny import make_model, sentences, write_jsonl
from tui_finetune.config.resolve import resolve
from tui_finetune.models.catalog import model_settings
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.training.session import TrainingSession

FOLDER = Path(__file__).parent

TOLERANCE = 1e-5
"""Relative. On the CPU that made them the numbers come out to the last digit; others add up in another order."""

Curves = dict[int, dict[str, float]]
"""Losses by step and name."""

_TINY = {
    "dataset_name": "data.jsonl",
    "learning_rate": 1e-3,
    "logging_steps": 1,
    "max_length": 64,
    "per_device_train_batch_size": 2,
    "gradient_accumulation_steps": 2,
    "max_steps": 12,
    "eval_strategy": "steps",
    "eval_steps": 4,
}


@dataclass(frozen=True)
class Case:
    """One small run.

    Attributes:
        settings: its settings; `model` is that of a tiny architecture unless given.
        preset: the preset that they stand on.
        architecture: of the tiny model.
        then: changes with which it is resumed when it has ended.
    """

    settings: Mapping[str, object]
    preset: str | None = None
    architecture: str = "llama"
    then: Mapping[str, object] = field(default_factory=dict)


CASES = {
    # Nothing chosen, as `finetune-tui train` does: the starter on the sea tales.
    "default": Case(
        {"model_name_or_path": "starter", "max_steps": 3, "logging_steps": 1, "eval_strategy": "steps", "eval_steps": 3}
    ),
    "tutorial": Case(
        {"dataset_name": "data.jsonl", "max_length": 64, "logging_steps": 2}, preset="tutorial", architecture="gpt2"
    ),
    "packed": Case(_TINY),
    "padded": Case({**_TINY, "packing": False}),
    "grouped": Case({**_TINY, "packing": False, "group_by_length": True}),
    "resumed": Case({**_TINY, "lr_scheduler_type": "cosine"}, then={"max_steps": 20}),
}


def curves_of(name: str, place: Path) -> Curves:
    """Train a case in an empty folder, which is the current directory, and return what it logs.

    Threads add up in another order by their number: it runs with one.
    """
    import torch

    case = CASES[name]
    chosen = dict(case.settings)
    if "model_name_or_path" not in chosen:
        chosen["model_name_or_path"] = str(make_model(place / "model", case.architecture))
    write_jsonl(place / "data.jsonl", sentences(60))
    suits = model_settings(str(chosen["model_name_or_path"]))
    run = RunDirectory(place / name)
    run.create()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        ends = [TrainingSession(resolve(chosen, preset_name=case.preset, model_settings=suits), run).run()]
        if case.then:
            ends.append(TrainingSession.resume(run, case.then).run())
    finally:
        torch.set_num_threads(threads)
    assert [end.status for end in ends] == ["finished"] * len(ends), [end.error for end in ends]
    return logged(run.events_path)


def logged(events_path: Path) -> Curves:
    """The losses in an event log, by step, without the one before training."""
    curves: Curves = {}
    for line in events_path.read_bytes().splitlines():
        event = json.loads(line)
        for key in ("loss", "eval_loss"):
            if event["type"] == "metrics" and key in event and not event.get("before_training"):
                curves.setdefault(event["step"], {})[key] = event[key]
    return curves


def to_text(curves: Curves) -> str:
    lines = [f"{'step':>4}  {'loss':<20}  eval_loss"]
    for step, values in sorted(curves.items()):
        loss, evaluation = (repr(values[key]) if key in values else "-" for key in ("loss", "eval_loss"))
        lines.append(f"{step:>4}  {loss:<20}  {evaluation}")
    return "\n".join(lines) + "\n"


def from_text(text: str) -> Curves:
    curves: Curves = {}
    for line in text.splitlines()[1:]:
        step, *values = line.split()
        named = zip(("loss", "eval_loss"), values, strict=True)
        curves[int(step)] = {key: float(value) for key, value in named if value != "-"}
    return curves


def golden(name: str) -> Curves:
    """The curves in a case's file."""
    return from_text((FOLDER / f"{name}.txt").read_text())


def differences(now: Curves, then: Curves, tolerance: float = TOLERANCE) -> list[str]:
    """What is not the same, in a line each."""
    found = [f"steps {sorted(now)} for {sorted(then)}"] if sorted(now) != sorted(then) else []
    for step in sorted(set(now) & set(then)):
        for key in sorted({*now[step], *then[step]}):
            new, old = now[step].get(key, math.nan), then[step].get(key, math.nan)
            if not math.isclose(new, old, rel_tol=tolerance):
                found.append(f"{key} at step {step}: {new!r}, was {old!r}")
    return found
