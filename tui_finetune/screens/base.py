"""What the six screens have in common: tabs, plan line, footer."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from textual.app import ComposeResult
from textual.containers import Container
from textual.screen import Screen
from textual.widgets import Footer

from tui_finetune.widgets.plan_line import PlanLine
from tui_finetune.widgets.tab_bar import TabBar

if TYPE_CHECKING:
    from tui_finetune.app import FinetuneApp


class TabScreen(Screen[None]):
    """One of the six screens. A subclass gives `mode`, `help_text` and `compose_body`.

    `choices_changed`, `plan_changed` and `run_changed` are called on the screen that is in front, and on a screen when
    it comes to the front; a subclass shows what it needs from `finetune_app`.
    """

    mode: ClassVar[str]
    help_text: ClassVar[str] = ""

    @property
    def finetune_app(self) -> FinetuneApp:
        return cast("FinetuneApp", self.app)

    def compose(self) -> ComposeResult:
        yield TabBar(self.mode)
        yield PlanLine(id="plan")
        with Container(id="body"):
            yield from self.compose_body()
        yield Footer(show_command_palette=False, compact=True)

    def compose_body(self) -> ComposeResult:
        """The screen's own widgets."""
        yield from ()

    def on_screen_resume(self) -> None:
        self.choices_changed()
        self.plan_changed()
        self.run_changed()

    def on_resize(self) -> None:
        self.plan_changed()

    def stop_reply(self) -> bool:
        """Stop what is being generated on this screen; False where nothing is."""
        return False

    def choices_changed(self) -> None:
        """What is chosen (`finetune_app.resolved`) has changed."""

    def plan_changed(self) -> None:
        """What is known about the plan (`finetune_app.plan`) has changed."""
        self.finetune_app.show_plan(self.query_one("#plan", PlanLine))

    def run_changed(self) -> None:
        """The run that is watched (`finetune_app.watch`) has new events, or another one is watched."""
        self.query_one(TabBar).show_run(self.finetune_app.run_light())
