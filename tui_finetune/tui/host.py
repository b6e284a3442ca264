"""What the parts behind the screens need of the app that they are in, so that tests can stand in for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from tui_finetune.errors import UserError
    from tui_finetune.runs.directory import RunDirectory
    from tui_finetune.tui.question import Question

Severity = Literal["information", "warning", "error"]


class Host(Protocol):
    """An app, or what stands in for one."""

    def work(self, work: Callable[[], None], *, group: str, description: str, exclusive: bool = False) -> None:
        """Do something in a thread. What fails there is said, with the description.

        Args:
            work: what to do.
            group: work of the same kind.
            description: a few words for people.
            exclusive: older work of the group is let go.
        """

    def back(self, then: Callable[[], None]) -> None:
        """From such a thread: do something in the interface's, and wait until it is done."""

    def show_tab(self, mode: str) -> None:
        """Bring a tab to the front."""

    def say(
        self, words: str, *, title: str = "", severity: Severity = "information", seconds: float | None = None
    ) -> None:
        """Say something in passing, literally."""

    def refuse(self, error: UserError, title: str = "Can't do that") -> None:
        """Say why something can't be done, and what to do about it."""

    def failed(self, error: BaseException, description: str) -> None:
        """Say that some work has failed; of a bug the details go to the log."""

    def ask(self, question: Question, answered: Callable[[str | None], None]) -> Callable[[], None]:
        """Ask a question over whatever is shown; None is no answer. Returns what takes the question back."""

    def export(self, run: RunDirectory) -> None:
        """Show what can be made of a run, over whatever is shown."""

    def has_dialog(self) -> bool:
        """Whether a question or something else lies over the tab."""

    def copy_selection(self) -> bool:
        """Copy what is selected; False where nothing is."""

    def stop_reply(self) -> bool:
        """Stop the reply that is being written on the tab in front; False where none is."""

    def use_colors(self, *, dark: bool) -> None:
        """Use dark or light colors, now and from the next start on."""

    def leave(self, status: int) -> None:
        """End the app with an exit status."""
