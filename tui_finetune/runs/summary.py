"""One line about a run, for lists of them."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path

from tui_finetune.errors import UserError
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.events import ENDED, from_lines
from tui_finetune.runs.log import Follower, read_digest, telling_lines
from tui_finetune.runs.registry import last_activity
from tui_finetune.runs.state import RunState
from tui_finetune.runs.status import CLOSED, INTERRUPTED
from tui_finetune.system.files import open_regular
from tui_finetune.system.paths import short_path


@dataclass(frozen=True)
class RunSummary:
    """One line of the list of runs.

    ``status`` is that of the last status event, or 'interrupted' where the run hasn't ended and no process trains it.
    ``updated`` is Unix seconds of its last event. ``verdict`` is how it did, as it wrote down at its end: its level and
    what it comes to, both '' where it hasn't ended, or was trained before there were verdicts.
    """

    name: str
    path: str
    model: str
    dataset: str
    status: str
    step: int
    total_steps: int | None
    best_eval_loss: float | None
    loss: float | None
    updated: float
    loss_before: float | None = None
    verdict_level: str = ""
    verdict: str = ""

    @property
    def went_wrong(self) -> bool:
        """Whether it ended worse than it began."""
        return self.verdict_level == "error"

    @property
    def shown_model(self) -> str:
        """The model's name as it is shown to people: a path as it is typed."""
        return short_path(self.model) if self.model.startswith("/") else self.model

    @property
    def shown_dataset(self) -> str:
        """The data set's name, likewise."""
        return short_path(self.dataset) if self.dataset.startswith("/") else self.dataset

    def to_json(self) -> dict[str, object]:
        return asdict(self)


TAIL_BYTES = 16 * 1024
"""The end of a log, which is read beside its digest: the newest step and loss are in it."""

TAIL_LINES = 20


def load_state(run: RunDirectory, *, brief: bool = False) -> RunState:
    """What a run's events add up to.

    Args:
        run: the run.
        brief: only read what a summary needs, which takes no longer on a long log than on a short one.
    """
    state = RunState()
    if brief:
        state.apply_all(from_lines(_brief(run.events_path)))
    else:
        follower = Follower(run.events_path)
        while events := follower.poll(skim=True):
            state.apply_all(events)
    return state


def _brief(events_path: Path) -> list[bytes]:
    """The lines that tell where a run is, and the newest lines of its log."""
    try:
        with open(events_path, "rb", opener=open_regular) as file:
            length = file.seek(0, os.SEEK_END)
            file.seek(max(length - TAIL_BYTES, 0))
            tail = file.read(TAIL_BYTES)
        digest = read_digest(events_path) if length > TAIL_BYTES else []
    except OSError:
        return []
    newest = telling_lines(tail, TAIL_LINES)
    known = set(newest)
    return [line for line in digest if line not in known] + newest


def status_of(run: RunDirectory, state: RunState) -> str:
    """The status of a run as a watcher sees it."""
    if not run.is_readable:
        return CLOSED
    return state.status if state.status in ENDED or run.is_live else INTERRUPTED


def summarize(run: RunDirectory) -> RunSummary:
    """One line about a run; nothing in its directory can make it fail."""
    state = load_state(run, brief=True)
    model, dataset = state.model, state.dataset
    if not (model and dataset):
        try:
            config = run.read_config()
            model, dataset = config.model_name_or_path, config.dataset_name
        except UserError:
            model = dataset = "?"
    verdict = state.result.verdict if state.result is not None else None
    return RunSummary(
        name=run.name,
        path=str(run.path),
        model=model,
        dataset=dataset,
        status=status_of(run, state),
        step=state.step,
        total_steps=state.total_steps,
        best_eval_loss=state.best_eval_loss,
        loss=state.losses.newest,
        updated=state.updated or last_activity(run)[0],
        loss_before=state.loss_before,
        verdict_level=verdict.level if verdict is not None else "",
        verdict=verdict.headline if verdict is not None else "",
    )
