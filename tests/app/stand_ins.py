"""What stands in for the app and a training where a part is tested without them."""

from __future__ import annotations

from collections.abc import Callable

from tui_finetune.errors import UserError
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.result import RunResult
from tui_finetune.tui.host import Severity
from tui_finetune.tui.question import Question


class FakeHost:
    """An app that only remembers what was asked of it."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.asked: list[tuple[Question, Callable[[str | None], None]]] = []
        self.taken_back = 0
        self.left: list[int] = []
        self.dialog = False

    def work(self, work: Callable[[], None], *, group: str, description: str, exclusive: bool = False) -> None:
        work()

    def back(self, then: Callable[[], None]) -> None:
        then()

    def show_tab(self, mode: str) -> None:
        pass

    def say(
        self, words: str, *, title: str = "", severity: Severity = "information", seconds: float | None = None
    ) -> None:
        self.said.append(words)

    def refuse(self, error: UserError, title: str = "") -> None:
        self.said.append(error.message)

    def failed(self, error: BaseException, description: str) -> None:
        raise error

    def ask(self, question: Question, answered: Callable[[str | None], None]) -> Callable[[], None]:
        self.asked.append((question, answered))
        return self._take_back

    def _take_back(self) -> None:
        self.taken_back += 1
        self.asked[-1][1](None)

    def export(self, run: RunDirectory) -> None:
        self.said.append(f"export {run.name}")

    def has_dialog(self) -> bool:
        return self.dialog

    def copy_selection(self) -> bool:
        return False

    def stop_reply(self) -> bool:
        return False

    def use_colors(self, *, dark: bool) -> None:
        pass

    def leave(self, status: int) -> None:
        self.left.append(status)


class FakeLaunch:
    """A training that goes on until it is told otherwise."""

    def __init__(self, run: RunDirectory) -> None:
        self.run = run
        self.is_alive = True
        self.has_begun = False
        self.result: RunResult | None = None
        self.failure: BaseException | None = None

    def begin(self) -> None:
        self.has_begun = True

    def stop(self, reason: str = "") -> None:
        self.run.request("stop", reason=reason)

    def end_at_once(self) -> None:
        pass

    def wait(self, seconds: float | None = None) -> bool:
        return not self.is_alive


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds
