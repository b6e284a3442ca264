"""One setting as one line: its key, its value, where the value comes from; and what is wrong with it, right below."""

from __future__ import annotations

import textwrap

from textual import events
from textual.binding import Binding
from textual.content import Content
from textual.geometry import Size
from textual.message import Message
from textual.timer import Timer
from textual.widget import Widget
from textual.widgets import Input

from tui_finetune.config.fields import Setting
from tui_finetune.errors import UserError

LABEL_WIDTH = 28
"""Columns for the key: the longest one and a gap."""

ROOMY = 56
"""From this width on every line says where its value comes from; below, only what is not a default does."""

QUIET = "$foreground 60%"

TYPING_PAUSE = 0.3
"""Seconds without a key after which what was typed so far is checked."""


def short_origin(origin: str, width: int) -> str:
    """Where a value comes from, in at most ``width`` columns; '' where even one word is too long."""
    for words in (origin, origin.partition(" ")[0]):
        if len(words) <= width:
            return words
    return ""


class SettingField(Widget, can_focus=True):
    """A line of the form. Light until it is edited: only then it holds an input.

    Args:
        item: the setting.
    """

    DEFAULT_CSS = """
    SettingField { height: auto; width: 1fr; }
    SettingField:focus, SettingField:focus-within { background: $block-cursor-background; }
    SettingField Input { height: 1; width: 1fr; background: $surface; padding: 0; }
    """
    BINDINGS = [
        Binding("enter", "change", "Change", key_display="enter", id="settings.change",
                tooltip="Type another value, or go to the next choice"),
        Binding("left", "cycle(-1)", "Previous choice", show=False, id="settings.previous",
                tooltip="Previous choice, where there are choices"),
        Binding("right,space", "cycle(1)", "Next choice", show=False, id="settings.next",
                tooltip="Next choice, where there are choices"),
        Binding("r,backspace,delete", "reset", "Reset", key_display="r", id="settings.reset",
                tooltip="Go back to the value of the preset, model or default"),
        Binding("escape", "leave_input", "Leave the input", show=False),
    ]  # fmt: skip

    class Chosen(Message):
        """A value was chosen; ``value`` is None where the field goes back to what it inherits."""

        def __init__(self, field: SettingField, value: str | None) -> None:
            super().__init__()
            self.field = field
            self.value = value

        @property
        def control(self) -> SettingField:
            return self.field

    def __init__(self, item: Setting) -> None:
        super().__init__(id=f"setting-{item.key}")
        self.item = item
        self.value = item.default_shown
        self.inherited = self.value
        self.origin = "default"
        self.problem: UserError | None = None
        self._typing: Timer | None = None
        self._before = ""

    # What it shows

    def show(self, value: str, origin: str, problem: UserError | None, inherited: str) -> None:
        """Show a value, where it comes from, and what is wrong with it. What is being typed is left alone."""
        if (value, origin, problem, inherited) == (self.value, self.origin, self.problem, self.inherited):
            return
        taller = problem is not self.problem
        self.value, self.origin, self.problem, self.inherited = value, origin, problem, inherited
        self.set_class(problem is not None, "-problem")
        self.refresh(layout=taller)

    @property
    def input(self) -> Input | None:
        """The input, while the value is being typed."""
        return next((child for child in self.children if isinstance(child, Input)), None)

    @property
    def choices(self) -> tuple[str, ...]:
        return self.item.choices or (("true", "false") if self.item.kind == "bool" else ())

    def _value_column(self, width: int) -> int:
        """Where the value begins: in one line with the others, further left if it is too long for that."""
        column = LABEL_WIDTH + (width >= ROOMY)
        return max(min(column, width - len(self.value)), min(len(self.item.key) + 1, column))

    def _problem_lines(self, width: int) -> list[str]:
        if self.problem is None or width < 8:
            return []
        # The key stands right above.
        words = self.problem.message.removeprefix(f"{self.item.key}: ")
        if self.problem.remedy:
            words += f" — {self.problem.remedy}"
        return textwrap.wrap(words, width - 4)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return 1 + len(self._problem_lines(width))

    def render(self) -> Content:
        width = self.content_region.width
        column = self._value_column(width)
        room = max(width - column, 0)
        value = self.value
        if self.has_focus and self.choices and len(value) + 4 <= room:
            value = f"‹ {value} ›"
        value = value if len(value) <= room else value[: max(room - 1, 0)] + "…"
        origin = short_origin(self.origin, room - len(value) - 2)
        if width < ROOMY and self.origin == "default":
            origin = ""  # Where there is little room, only what is out of the ordinary is said.
        active = self.has_focus or self.input is not None
        parts: list[tuple[str, str]] = [
            (f"{self.item.key:<{column}}"[:width], "bold" if active else QUIET),
            (value, "$error" if self.problem else "$accent" if self.origin == "form" else ""),
            (" " * max(room - len(value) - len(origin), 0), ""),
            (origin, QUIET),
        ]
        for number, line in enumerate(self._problem_lines(width)):
            parts += [("\n  ✗ " if number == 0 else "\n    ", "$error bold"), (line, "$error")]
        return Content.assemble(*parts)

    # What it does

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action == "cycle":
            return bool(self.choices)
        if action == "leave_input":
            return self.input is not None
        return True

    def action_change(self) -> None:
        if self.choices:
            self.action_cycle(1)
        else:
            self._edit()

    def action_cycle(self, by: int) -> None:
        """Take the next choice, or the one before."""
        if self.choices:
            here = self.choices.index(self.value) if self.value in self.choices else -by
            self._choose(self.choices[(here + by) % len(self.choices)])

    def action_reset(self) -> None:
        self.post_message(self.Chosen(self, None))

    def _choose(self, text: str) -> None:
        """Choose what was typed. An emptied input asks for the inherited value."""
        if self._typing is not None:
            self._typing.stop()
            self._typing = None
        text = text.strip() or self.inherited
        if text != self.value:
            self.post_message(self.Chosen(self, text))

    def _edit(self) -> None:
        if self.input is not None:
            return
        self._before = self.value
        unset = self.item.optional and self.value == self.item.unset
        field = Input("" if unset else self.value, placeholder=self.inherited, compact=True, select_on_focus=True)
        field.styles.margin = (0, 0, 0, self._value_column(self.content_region.width))
        self.mount(field)
        field.focus()

    async def _end_editing(self, text: str | None, *, stay: bool) -> None:
        field = self.input
        if field is None:
            return
        if text is not None:
            self._choose(text)
        if stay:
            self.focus()
        await field.remove()
        self.refresh()

    async def action_leave_input(self) -> None:
        """Give up what was typed."""
        if self._typing is not None:
            self._typing.stop()
        if self.value != self._before:
            self.post_message(self.Chosen(self, self._before))
        await self._end_editing(None, stay=True)

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        if self._typing is not None:
            self._typing.stop()
        text = event.value
        self._typing = self.set_timer(TYPING_PAUSE, lambda: self._choose(text))

    async def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        await self._end_editing(event.value, stay=True)

    async def on_input_blurred(self, event: Input.Blurred) -> None:
        """Leaving the input, with tab, an arrow or the mouse, keeps what was typed."""
        event.stop()
        await self._end_editing(event.value, stay=False)

    def on_focus(self) -> None:
        self.refresh()

    def on_blur(self) -> None:
        self.refresh()

    def on_click(self, event: events.Click) -> None:
        event.stop()
        if event.x >= self._value_column(self.content_region.width):
            self.action_change()
