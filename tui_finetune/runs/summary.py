"""One line about a run, for lists of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from tui_finetune.errors import UserError
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.events import ENDED, from_line
from tui_finetune.runs.log import Follower
from tui_finetune.runs.registry import last_activity
from tui_finetune.runs.state import RunState
from tui_finetune.runs.status import CLOSED, INTERRUPTED
from tui_finetune.system.paths import short_path


@dataclass(frozen=True)
class RunSummary:
    """One line of the list of runs.

    ``status`` is that of the last status event, or 'interrupted' where the run hasn't ended and no process trains it.
    ``updated`` is Unix seconds of its last event.
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


_TELLING = (b'"type":"status"', b'"eval_loss"', b'"type":"checkpoint"')


def load_state(run: RunDirectory, *, brief: bool = False) -> RunState:
    """What a run's events add up to.

    Args:
        run: the run.
        brief: only read what a summary needs, which is many times as fast on a long log.
    """
    state = RunState()
    if not brief:
        state.apply_all(Follower(run.events_path).poll(limit=-1, skim=True))
        return state
    try:
        lines = run.events_path.read_bytes().split(b"\n")
    except OSError:
        return state
    tail = len(lines) - 50
    for number, line in enumerate(lines):
        if not line or (number < tail and not any(mark in line for mark in _TELLING)):
            continue
        if (event := from_line(line)) is not None:
            state.apply(event)
    return state


def summarize(run: RunDirectory) -> RunSummary:
    """One line about a run; nothing in its directory can make it fail."""
    state = load_state(run, brief=True)
    try:
        config = run.read_config()
        model, dataset = config.model_name_or_path, config.dataset_name
    except UserError:
        model = dataset = "?"
    status = state.status
    if not run.is_readable:
        status = CLOSED
    elif status not in ENDED and not run.is_live:
        status = INTERRUPTED
    return RunSummary(
        name=run.name,
        path=str(run.path),
        model=model,
        dataset=dataset,
        status=status,
        step=state.step,
        total_steps=state.total_steps,
        best_eval_loss=state.best_eval_loss,
        loss=state.losses.newest,
        updated=state.updated or last_activity(run)[0],
    )
