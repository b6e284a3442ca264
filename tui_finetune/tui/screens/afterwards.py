"""What can be done when a run is over: on the Training screen and on the Runs screen alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui_finetune.errors import UserError
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.outcome import Outcome
from tui_finetune.runs.verdict import Verdict
from tui_finetune.tui.state import AppState

if TYPE_CHECKING:
    from textual.app import App

_OWN = frozenset({"output_dir", "final_model_dir"})
"""Settings that belong to one run, and no other can have."""


def is_possible(deed: str, end: Outcome) -> bool:
    """Whether something can be done with a run that ended so."""
    if deed == "again":
        return end.way is not None and end.way.deed == "again"
    return {"chat": end.can_chat, "extend": end.can_extend}.get(deed, True)


def do(deed: str, app: App[int], shared: AppState, run: RunDirectory, verdict: Verdict) -> None:
    """Do it: 'chat', 'again', 'extend', 'vary' or 'compare'."""
    try:
        if deed == "chat":
            shared.chat_with(str(run.path))
        elif deed == "again":
            _again(shared, run, verdict)
        elif deed == "extend":
            _extend(app, shared, run)
        elif deed == "vary":
            use_settings(shared, run, verdict)
        else:
            shared.compare(run)
    except UserError as error:
        shared.host.refuse(error)


def _again(shared: AppState, run: RunDirectory, verdict: Verdict) -> None:
    """A new run with the change that the verdict advises."""
    from tui_finetune.config.resolve import Resolved, make_config

    if verdict.way is None:
        return
    values = {**run.read_config().model_dump(), **dict.fromkeys(_OWN), **verdict.way.changes}
    shared.monitor.train(Resolved(make_config(values), dict.fromkeys(verdict.way.changes, "form")))


def _extend(app: App[int], shared: AppState, run: RunDirectory) -> None:
    from tui_finetune.tui.dialogs.extend import extend_dialog

    dialog, changes = extend_dialog(run)

    def answered(answer: str | None) -> None:
        if answer is not None:
            shared.monitor.resume(run, changes(answer))

    app.push_screen(dialog, answered)


def use_settings(shared: AppState, run: RunDirectory, verdict: Verdict | None = None) -> None:
    """Put a run's configuration into the plan, and go to the setting that most likely is to be changed.

    Raises:
        UserError: it can't be read.
    """
    config = run.read_config()
    shared.draft.take_over(config)
    finding = verdict.findings[0] if verdict is not None and verdict.findings else None
    shared.host.say(f"The settings of {run.name} are in the plan: change one, then ctrl+r.")
    shared.go_to_setting(finding.setting if finding is not None and finding.setting else "learning_rate")
