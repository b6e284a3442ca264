"""How freely a model writes: the sampling settings, each explained while it has the focus."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Input, Static

from tui_finetune.chat.sampling import Sampling
from tui_finetune.config.fields import Setting
from tui_finetune.errors import UserError
from tui_finetune.tui.dialogs.dialog import Dialog
from tui_finetune.tui.widgets.setting_field import SettingField

EXPLANATIONS = {
    "temperature": "How freely the next token is drawn. 0 always takes the likeliest, which is dull and repeats itself; "
    "0.7 to 1 is usual; above 1 it gets wild.",
    "top_p": "Only the likeliest tokens that together have this probability are drawn from, so that a very unlikely one "
    "can't spoil the text. 0.9 to 0.95 is usual; 1 turns it off.",
    "top_k": "Only so many of the likeliest tokens are drawn from. 40 is common; 0 turns it off, which is fine beside "
    "top_p.",
    "min_p": "Tokens less than so many times as likely as the likeliest are not drawn: 0.05 to 0.1 keeps even high "
    "temperatures sensible. 0 turns it off.",
    "max_new_tokens": "The reply ends there at the latest. 200 tokens are about 150 English words.",
    "repetition_penalty": "Above 1, tokens that are in the text already become less likely: a cure for loops. 1.1 is "
    "usual; 1 turns it off.",
    "seed": "With a number here, the same prompt gives the same reply, which is the way to compare two models. 'random' "
    "gives another one each time.",
}


def sampling_settings() -> list[Setting]:
    """The sampling settings, as the form takes them."""
    kinds = {"top_k": "int", "max_new_tokens": "int", "seed": "int"}
    return [
        Setting(
            key=field.name,
            kind=kinds.get(field.name, "float"),
            default=field.default,
            group="Sampling",
            help=EXPLANATIONS[field.name],
            explanation="",
            aliases=(),
            choices=(),
            optional=field.name == "seed",
            unset="random",
            bounds={},
        )
        for field in fields(Sampling)
    ]


def parsed(item: Setting, text: str) -> float | int | None:
    """The value that was typed; raises UserError where it is no number."""
    if item.optional and text == item.unset:
        return None
    try:
        return int(text) if item.kind == "int" else float(text)
    except ValueError:
        word = "a whole number" if item.kind == "int" else "a number"
        other = f", or {item.unset}" if item.optional else ""
        raise UserError(f"'{text}' is not allowed", f"use {word}{other}", setting=item.key) from None


class SamplingDialog(Dialog[Sampling | None]):
    """Returns the sampling settings as they are when it is closed. A value that is not allowed is not taken.

    Args:
        sampling: the settings to begin with.
    """

    CSS_PATH = "sampling.tcss"
    AUTO_FOCUS = "SettingField"
    BINDINGS = [
        Binding("escape,f3", "close", "Back", show=False),
        Binding("up", "app.focus_previous", "Line up", show=False),
        Binding("down", "app.focus_next", "Line down", show=False),
    ]

    def __init__(self, sampling: Sampling) -> None:
        super().__init__()
        self.sampling = sampling

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog"):
            yield Static("How the model writes", id="question", markup=False)
            for item in sampling_settings():
                yield SettingField(item)
            yield Static("", id="explanation", markup=False)
            yield Static("enter changes a value  ·  r resets it  ·  esc closes", id="keys", markup=False)

    def on_mount(self) -> None:
        for field in self.query(SettingField):
            self._show(field)

    def _show(self, field: SettingField) -> None:
        value = getattr(self.sampling, field.item.key)
        origin = "default" if value == field.item.default else "form"
        field.show(field.item.show(value), origin, None, field.item.show(field.item.default))

    @on(SettingField.Chosen)
    def _chosen(self, event: SettingField.Chosen) -> None:
        field, item = event.field, event.field.item
        try:
            changed: Any = {item.key: item.default if event.value is None else parsed(item, event.value)}
            self.sampling = replace(self.sampling, **changed)
        except UserError as error:
            field.show(event.value or "", "form", error, item.show(item.default))
        else:
            self._show(field)

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        line: Widget | None = self.focused
        if isinstance(line, Input) and isinstance(line.parent, SettingField):
            line = line.parent
        if isinstance(line, SettingField):
            self.query_one("#explanation", Static).update(Content(line.item.help))

    def action_close(self) -> None:
        self.dismiss(self.sampling)
