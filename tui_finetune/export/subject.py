"""What is taken elsewhere: the model of a run, its final one or that of a checkpoint. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tui_finetune.config.schema import RunConfig
from tui_finetune.errors import UserError
from tui_finetune.models.adapters import holds_model
from tui_finetune.models.facts import ModelFacts
from tui_finetune.models.located import LocatedModel, find_local
from tui_finetune.runs import checkpoints
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.state import RunState
from tui_finetune.runs.summary import load_state

BEST = "best"


@dataclass(frozen=True)
class Subject:
    """A run, and which of its models is meant.

    Attributes:
        run: the run.
        config: its settings.
        state: what its events add up to.
        checkpoint: the checkpoint that is meant; None for the final model.
    """

    run: RunDirectory
    config: RunConfig
    state: RunState
    checkpoint: Path | None = None

    @property
    def folder(self) -> Path:
        """Where its files are; raises UserError where the run has left no model yet."""
        folder = self.checkpoint or self.run.final_dir
        if not holds_model(folder):
            saved = checkpoints.committed(self.run.checkpoints_dir)
            remedy = (
                f"take what is saved: --checkpoint {checkpoints.step_of(saved[-1])}"
                if saved
                else f"`finetune-tui resume {self.run.name}` trains it"
            )
            raise UserError(f"the run {self.run.name} has no final model", remedy)
        return folder

    @cached_property
    def facts(self) -> ModelFacts:
        """What its files say about the model; of an adapter, what those of its base say."""
        return self.located.facts()

    @cached_property
    def located(self) -> LocatedModel:
        """Where the model is, on this machine; raises UserError where the base of an adapter is not."""
        found = find_local(str(self.folder))
        if found is None:
            raise UserError(
                f"the model that the adapter of {self.run.name} belongs to is not on this machine",
                "choose it on the Model screen, which downloads it",
            )
        return found

    @property
    def name(self) -> str:
        """The run's name, with the step of a checkpoint."""
        return f"{self.run.name}-step-{checkpoints.step_of(self.checkpoint)}" if self.checkpoint else self.run.name

    @property
    def data_format(self) -> str:
        """What its rows were: 'text', 'messages', ...; '' where that isn't known."""
        if self.state.result is not None and self.state.result.data_format:
            return self.state.result.data_format
        try:
            return (
                str(checkpoints.read_manifest(self.checkpoint).facts.get("data_format") or "")
                if self.checkpoint
                else ""
            )
        except checkpoints.UnsoundCheckpoint:
            return ""

    @property
    def exports_dir(self) -> Path:
        """Where exports go by themselves: a folder beside `runs`."""
        parent = self.run.path.parent
        return (parent.parent if parent.name == "runs" else parent) / "exports"

    def check_sound(self) -> None:
        """Raise UserError where the checkpoint that is meant is not what was saved."""
        if self.checkpoint is None:
            return
        try:
            checkpoints.verify(self.checkpoint)
        except checkpoints.UnsoundCheckpoint as error:
            raise UserError(f"{self.checkpoint.name} is damaged: {error}", "take another checkpoint") from None


def subject_of(run: RunDirectory, which: str | None = None) -> Subject:
    """What to export of a run.

    Args:
        run: the run.
        which: 'best', or the step of a checkpoint; None for the final model.

    Raises:
        UserError: there is no such checkpoint, or the run's settings can't be read.
    """
    state = load_state(run)
    config = run.read_config()
    return Subject(run, config, state, None if which is None else _checkpoint(run, state, which))


def _checkpoint(run: RunDirectory, state: RunState, which: str) -> Path:
    saved = {checkpoints.step_of(path): path for path in checkpoints.committed(run.checkpoints_dir)}
    there = "there are " + ", ".join(map(str, saved)) if saved else "the run has saved none"
    if which == BEST:
        if state.best_step in saved:
            return saved[state.best_step]
        raise UserError(f"the best checkpoint of {run.name} is not there", f"name a step: {there}")
    if not which.isdigit() or int(which) not in saved:
        raise UserError(f"{run.name} has no checkpoint '{which}'", f"name 'best' or a step: {there}")
    return saved[int(which)]
