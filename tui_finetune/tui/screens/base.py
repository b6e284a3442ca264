"""What the six screens have in common: tabs, plan line, footer."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.compose import compose
from textual.containers import Container
from textual.screen import Screen
from textual.worker import Worker, WorkerState

from tui_finetune.tui.state import AppState
from tui_finetune.tui.widgets.plan_line import PlanLine
from tui_finetune.tui.widgets.tab_bar import TABS, TabBar

_OF_THE_PLAN = frozenset({"model", "dataset", "settings"})
"""The screens on which the next run is chosen."""


class TabScreen(Screen[None]):
    """One of the six screens. A subclass gives `mode`, `help_text` and `compose_body`.

    `choices_changed`, `plan_changed` and `run_changed` are called on the screen that is in front, and on a screen when
    it comes to the front; a subclass shows what it needs from `shared`.

    Args:
        shared: what the screens share.
    """

    mode: ClassVar[str]
    help_text: ClassVar[str] = ""
    comes_bare: ClassVar[bool] = False
    """Whether the app's first frame shows it without its body and footer, which take time to make."""

    _is_bare = False
    _completing = False

    def __init__(self, shared: AppState) -> None:
        super().__init__()
        self.shared = shared

    @property
    def help_title(self) -> str:
        """What the screen is called."""
        return next((title for mode, _, title in TABS if mode == self.mode), self.mode)

    def compose(self) -> ComposeResult:
        yield TabBar(self.mode)
        yield PlanLine(id="plan")
        self._is_bare = self.comes_bare and not self.shared.draft.is_settled
        if not self._is_bare:
            yield from self._compose_rest()

    def _compose_rest(self) -> ComposeResult:
        from tui_finetune.tui.widgets.key_footer import KeyFooter

        with Container(id="body"):
            yield from self.compose_body()
        yield KeyFooter(show_command_palette=False, compact=True)

    async def complete(self) -> None:
        """Bring what the app's first frame did without."""
        if self._is_bare and not self._completing:
            self._completing = True
            await self.mount_all(compose(self, self._compose_rest()))
            self._is_bare = False  # from here on keys find what they work on
            self.refresh_bindings()
            if self.AUTO_FOCUS and self.focused is None:
                self.set_focus(self.query(self.AUTO_FOCUS).first())
            self.body_mounted()
            self._catch_up()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if self._is_bare:
            return False  # what its keys work on is not there yet
        if action in {"filter", "search"}:
            # A key with priority, so that what is typed right behind it finds the field in focus; there it is typed.
            return self.is_mounted and not (self.focused is not None and self.focused.check_consume_key("slash", "/"))
        return True

    def body_mounted(self) -> None:
        """The screen's own widgets are there."""

    def on_mount(self) -> None:
        if not self._is_bare:
            self.body_mounted()

    def compose_body(self) -> ComposeResult:
        """The screen's own widgets."""
        yield from ()

    def on_screen_resume(self) -> None:
        if self._is_bare:
            if self.shared.draft.is_settled:
                self.call_later(self.complete)
            return
        self._catch_up()

    def _catch_up(self) -> None:
        if self.mode in _OF_THE_PLAN:
            self.shared.draft.want_plan()
        self.choices_changed()
        self.plan_changed()
        self.run_changed()

    def on_resize(self) -> None:
        self.plan_changed()

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """What becomes of a screen's work does not bubble up: the app is told what has failed."""
        if event.state == WorkerState.ERROR and event.worker.error is not None:
            self.shared.host.failed(event.worker.error, event.worker.description)

    def stop_reply(self) -> bool:
        """Stop what is being generated on this screen; False where nothing is."""
        return False

    def choices_changed(self) -> None:
        """What is chosen has changed."""

    def plan_changed(self) -> None:
        """What is known about the plan has changed."""
        self._show_plan()

    def _show_plan(self) -> None:
        line, draft = self.query_one("#plan", PlanLine), self.shared.draft
        if not draft.is_settled:
            line.show([])
        elif draft.problem is not None:
            line.show([], draft.problem)
        else:
            left = self.shared.monitor.time_left(draft.plan)
            parts = draft.plan.parts(left) if draft.plan else [f"{draft.model} → {draft.dataset}"]
            line.show(parts, draft.plan.problem if draft.plan else None, pending=draft.plan_pending)

    def run_changed(self) -> None:
        """The run that is watched has new events, or another one is watched."""
        self.query_one(TabBar).show_run(*self.shared.monitor.light())
        self._show_plan()  # how long is left of a run of it
