"""What is asked on the Runs screen before a run's files are changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tui_finetune.errors import UserError
from tui_finetune.formatting import size
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.system.paths import short_path
from tui_finetune.tui.dialogs.ask import Ask
from tui_finetune.tui.host import Host
from tui_finetune.tui.question import Choice, Question

if TYPE_CHECKING:
    from textual.app import App


def ask_name(app: App[object], host: Host, run: RunDirectory, renamed: Callable[[RunDirectory], None]) -> None:
    """Ask for a run's new name, and give it that."""

    def answered(answer: str | None) -> None:
        if answer is None:
            return
        from tui_finetune.runs.naming import rename_run

        try:
            renamed(rename_run(run, answer))
        except UserError as error:
            host.refuse(error)

    words = "Its directory is renamed; letters, digits, dots, dashes and underscores."
    app.push_screen(Ask(f"What shall {run.name} be called?", words, run.name), answered)


def ask_note(app: App[object], host: Host, run: RunDirectory, written: Callable[[], None]) -> None:
    """Ask for a note on a run, and write it down."""

    def answered(answer: str | None) -> None:
        if answer is None:
            return
        try:
            run.write_note("" if answer == "-" else answer)
        except UserError as error:
            host.refuse(error)
        written()

    words = "It is kept in the run's directory. A single dash takes it away."
    app.push_screen(Ask(f"A note on {run.name}", words, run.read_note()), answered)


def delete_question(run: RunDirectory, weight: int) -> Question:
    """Whether a run shall be deleted, of so many bytes."""
    elsewhere = "" if run.final_dir.parent == run.path else f" The final model in {short_path(run.final_dir)} stays."
    return Question(
        f"Delete {run.name}?",
        f"Its events, checkpoints and final model in {short_path(run.path)} are deleted, {size(weight)} in all. "
        f"This can't be undone.{elsewhere}",
        # Not the key that asked: it may be held down.
        (Choice("keep", "k", "Keep"), Choice("delete", "x", "Delete")),
    )
