"""Whom to talk to: a run, a model's folder, the starter, or a model on the hub. No torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from tui_finetune.chat.conversation import Style
from tui_finetune.config.names import STARTER
from tui_finetune.errors import UserError
from tui_finetune.models.adapters import holds_model
from tui_finetune.models.located import named_folder
from tui_finetune.runs import checkpoints
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.registry import find_run, known_runs
from tui_finetune.runs.summary import load_state
from tui_finetune.system.paths import user_path


@dataclass(frozen=True)
class ChatTarget:
    """A model to talk to.

    Attributes:
        model: a folder, 'starter' or a name on the hub, as `models.located.locate` takes it.
        label: how it is called.
        trained_on: what the run that it is from has taught it; None where no run is known.
        base: what that run began from; None where no run is known.
        is_live: it is a run that is going, in the directory `model`, and answers between its steps.
    """

    model: str
    label: str
    trained_on: Style | None = None
    base: str | None = field(default=None, compare=False)
    is_live: bool = False

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder on this machine, the starter's too, so that loading it needs no hub."""
        return self.is_live or named_folder(self.model) is not None

    def style(self, *, has_chat_template: bool) -> Style:
        """How it is talked to: in turns where it has a chat template, but for a run that was trained on plain text."""
        return "turns" if has_chat_template and self.trained_on != "text" else "text"


def run_of(target: ChatTarget) -> RunDirectory | None:
    """The run that a model is of, or was made in; None where it is of none."""
    path = Path(target.model)
    for folder in (path, path.parent, path.parent.parent):
        if target.is_folder and target.model != STARTER and (run := RunDirectory(folder)).exists:
            return run
    return None


def _in_run(path: Path, label: str) -> ChatTarget:
    """The model in a folder that may be a run's final model, or one of its checkpoints."""
    in_checkpoints = path.parent.name == "checkpoints"
    run = RunDirectory(path.parent.parent if in_checkpoints else path.parent)
    data_format = ""
    if run.events_path.is_file():
        result = load_state(run, brief=True).result
        data_format = result.data_format if result is not None else ""
    if not data_format and in_checkpoints:  # of a run that is not over
        try:
            data_format = str(checkpoints.read_manifest(path).facts.get("data_format") or "")
        except checkpoints.UnsoundCheckpoint:
            pass  # said when it is loaded
    taught: Style | None = ("text" if data_format == "text" else "turns") if data_format else None
    return ChatTarget(str(path), label, taught, _base_of(run))


def _base_of(run: RunDirectory) -> str | None:
    """The model that a run began from; None where its configuration can't be read."""
    try:
        return run.read_config().model_name_or_path
    except UserError:
        return None


def _going(run: RunDirectory) -> ChatTarget | None:
    """A run that is going, where it takes what is said to it."""
    if not run.is_live:
        return None
    state = load_state(run, brief=True)
    if state.is_over or state.taught is None:
        return None
    style: Style = "text" if state.taught == "text" else "turns"
    return ChatTarget(str(run.path), f"{run.name} (training)", style, _base_of(run), is_live=True)


def _of_run(run: RunDirectory) -> ChatTarget | None:
    """The run itself while it is going, then its final model, else its newest checkpoint."""
    if (going := _going(run)) is not None:
        return going
    if holds_model(run.final_dir):
        return _in_run(run.final_dir, run.name)
    saved = checkpoints.committed(run.checkpoints_dir)
    if not saved:
        return None
    return _in_run(saved[-1], f"{run.name}, step {checkpoints.step_of(saved[-1])}")


def resolve_chat_target(name: str | None, base: Path | None = None) -> ChatTarget:
    """What to talk to for a name; asks no hub.

    Args:
        name: a run's name or directory, a model's folder, 'starter' or a name on the hub. Left out: the newest run that
            has something to talk to, else the starter.
        base: the directory that `runs` is in; the current one if left out.

    Raises:
        UserError: there is nothing of that name, or the run has saved nothing yet.
    """
    if name is None:
        targets = (_of_run(run) for run in known_runs(base))
        return next((target for target in targets if target is not None), ChatTarget(STARTER, STARTER))
    if name == STARTER:
        return ChatTarget(STARTER, STARTER)
    folder = user_path(name)
    if holds_model(folder):
        in_checkpoints = checkpoints.step_of(folder) >= 0 and folder.parent.name == "checkpoints"
        if in_checkpoints and folder not in checkpoints.committed(folder.parent):
            raise UserError(f"{name} was not saved completely", f"`finetune-tui chat {folder.parent.parent.name}`")
        return _in_run(folder, folder.name if folder.name != "final" else folder.absolute().parent.name)
    try:
        run = find_run(name, base)
    except UserError:
        named_folder(name)  # raises where it can't be the name of a model either
        return ChatTarget(name, name)
    target = _of_run(run)
    if target is None:
        raise UserError(
            f"the run {run.name} has saved no model yet", "`finetune-tui chat starter` talks to the starter"
        )
    return target
