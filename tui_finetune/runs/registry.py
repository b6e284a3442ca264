"""The runs that are known on this machine, so that they are found from anywhere."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import platformdirs

from tui_finetune.errors import UserError
from tui_finetune.runs.directory import NAME, RunDirectory
from tui_finetune.runs.events import ENDED, from_line
from tui_finetune.runs.log import Follower
from tui_finetune.runs.outcome import short_path
from tui_finetune.runs.state import RunState
from tui_finetune.system.files import PRIVATE_DIRECTORY, write_atomically


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

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def state_dir() -> Path:
    """Where the program keeps what it knows between runs (FINETUNE_TUI_STATE, or the platform's state directory)."""
    return Path(os.environ.get("FINETUNE_TUI_STATE") or platformdirs.user_state_path("finetune-tui"))


def note(run: RunDirectory) -> None:
    """Remember a run. Where the state directory can't be written to, it is only found by its path."""
    file = _note_of(run)
    try:
        file.parent.mkdir(mode=PRIVATE_DIRECTORY, parents=True, exist_ok=True)
        write_atomically(file, json.dumps({"path": str(run.path.absolute())}), durable=False)
    except OSError:
        return


def forget(run: RunDirectory) -> None:
    """Remember a run no longer."""
    try:
        _note_of(run).unlink(missing_ok=True)
    except OSError:
        return


def _note_of(run: RunDirectory) -> Path:
    path = str(run.path.absolute())
    name = hashlib.sha256(path.encode("utf-8", "surrogateescape")).hexdigest()[:24] + ".json"
    return state_dir() / "runs" / name


def known_runs(base: Path | None = None) -> list[RunDirectory]:
    """The runs noted, and those in ./runs; those that are gone are left out. Newest activity first."""
    paths: set[Path] = set()
    directory = state_dir() / "runs"
    if directory.is_dir():
        for entry in directory.glob("*.json"):
            try:
                paths.add(Path(json.loads(entry.read_bytes())["path"]))
            except (OSError, ValueError, KeyError, TypeError):
                continue
    here = (base or Path.cwd()) / "runs"
    if here.is_dir():
        paths.update(path.absolute() for path in here.iterdir())
    runs = [run for path in paths if (run := RunDirectory(path)).exists]
    return sorted(runs, key=_activity, reverse=True)


def _activity(run: RunDirectory) -> tuple[float, str]:
    for path in (run.events_path, run.config_path):
        try:
            return path.stat().st_mtime, run.name
        except OSError:
            continue
    return 0.0, run.name


def find_run(name: str | None, base: Path | None = None) -> RunDirectory:
    """The run of that name or directory; the newest where it is left out.

    Raises:
        UserError: there is none.
    """
    known = known_runs(base)
    if name is None:
        if not known:
            raise UserError("there are no runs yet", "`finetune-tui train` makes one")
        return known[0]
    by_path = RunDirectory(Path(name).expanduser().absolute())
    if ("/" in name or not NAME.match(name) or by_path.exists) and by_path.exists:
        return by_path
    for run in known:
        if run.name == name:
            return run
    raise UserError(f"there is no run '{name}'", "`finetune-tui runs` lists them")


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
    if status not in ENDED and not run.is_live:
        status = "interrupted"
    return RunSummary(
        name=run.name,
        path=str(run.path),
        model=model,
        dataset=dataset,
        status=status,
        step=state.step,
        total_steps=state.total_steps,
        best_eval_loss=state.best_eval_loss,
        loss=state.latest.get("loss"),
        updated=state.updated or _activity(run)[0],
    )
