"""The command palette, made to bear keys that come faster than it comes and goes."""

from __future__ import annotations

from asyncio import InvalidStateError
from typing import TypeVar

from textual.await_complete import AwaitComplete
from textual.command import CommandList, CommandPalette
from textual.css.query import NoMatches
from textual.worker import Worker, WorkerState, WorkType

Result = TypeVar("Result")


class Commands(CommandPalette):
    """Textual's palette. There, keys for the list fail while it is empty, and a search that outlives the palette fails
    for want of its list; both would end the app."""

    _is_closed = False

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in {"command_list", "cursor_down"}:
            commands = self.query(CommandList)
            return (
                bool(commands)
                and commands.first().option_count > 0
                and bool(commands.first().scrollable_content_region)
            )
        return super().check_action(action, parameters)

    def dismiss(self, result: None = None) -> AwaitComplete:
        if self._is_closed or not self.is_current:
            nothing: AwaitComplete = AwaitComplete.nothing()
            return nothing
        self._is_closed = True
        return super().dismiss(result)

    def run_worker(
        self,
        work: WorkType[Result],
        name: str | None = "",
        group: str = "default",
        description: str = "",
        exit_on_error: bool = True,
        start: bool = True,
        exclusive: bool = False,
        thread: bool = False,
    ) -> Worker[Result]:
        # What fails is looked at below, rather than ending the app.
        return super().run_worker(work, name, group, description, False, start, exclusive, thread)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        error = event.worker.error
        if (
            event.state == WorkerState.ERROR
            and error is not None
            and not isinstance(error, (NoMatches, InvalidStateError))
        ):
            raise error
