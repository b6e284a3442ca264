"""Choosing how the rows of a data set are read: their form, then the columns that it needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from textual.app import App

from tui_finetune.config.schema import RunConfig
from tui_finetune.tui.dialogs.pick import Pick
from tui_finetune.tui.screens.dataset.describe import column_choices

if TYPE_CHECKING:
    from tui_finetune.data.previewed import Preview

FORMATS = (
    ("auto", "as it is recognized"),
    ("text", "one column of text, all of it trained on"),
    ("prompt-completion", "a prompt, and what follows it"),
    ("messages", "turns with role and content"),
    ("alpaca", "instruction, input and output"),
    ("sharegpt", "turns with from and value"),
)
"""The formats, each with a few words."""

PARTS: dict[str, tuple[tuple[str, str], ...]] = {
    "text": (("dataset_text_field", "Which column holds the text?"),),
    "messages": (("dataset_messages_field", "Which column holds the turns?"),),
    "sharegpt": (("dataset_messages_field", "Which column holds the turns?"),),
    "prompt-completion": (
        ("dataset_prompt_field", "Which column holds the prompt?"),
        ("dataset_completion_field", "Which column holds what to train on?"),
    ),
    "alpaca": (
        ("dataset_prompt_field", "Which column holds the instruction?"),
        ("dataset_input_field", "Which column holds the input that it is about?"),
        ("dataset_completion_field", "Which column holds what to train on?"),
    ),
}
"""Format -> the settings that name its columns, each with the question for it."""

_PART_NAMES = {
    "dataset_text_field": ("text",), "dataset_messages_field": ("messages",), "dataset_input_field": ("input",),
    "dataset_prompt_field": ("prompt", "instruction"), "dataset_completion_field": ("completion", "output"),
}  # fmt: skip


def current_column(preview: Preview | None, config: RunConfig, key: str) -> str | None:
    """The column that plays a part now, by choice or as it was recognized."""
    chosen: str | None = getattr(config, key)
    mapping = preview.mapping if preview else {}
    return chosen or next((mapping[name] for name in _PART_NAMES[key] if name in mapping), None)


_COLUMN_KEYS = sorted(_PART_NAMES)


def ask_columns(
    app: App[object],
    columns: Sequence[tuple[str, str]],
    preview: Preview | None,
    config: RunConfig,
    choose: Callable[[dict[str, str | None]], None],
) -> None:
    """Ask for the form of the rows and for each column that it needs; nothing is chosen before the last answer.

    Args:
        app: shows the questions.
        columns: each column with what it holds.
        preview: how the rows are read now; None where they can't be.
        config: what is chosen now.
        choose: takes the settings.
    """

    def ask(form: str, parts: Sequence[tuple[str, str]], chosen: dict[str, str | None]) -> None:
        if not parts:
            choose({"dataset_format": form, **chosen})
            return
        (key, question), *rest = parts

        def picked(column: str | None) -> None:
            if column is not None:
                ask(form, rest, {**chosen, key: column})

        app.push_screen(Pick(question, column_choices(columns), current_column(preview, config, key)), picked)

    def picked_form(form: str | None) -> None:
        if form is not None:
            # What was said about the columns of another form is let go.
            ask(form, PARTS.get(form, ()), dict.fromkeys(_COLUMN_KEYS))

    form = config.dataset_format if config.dataset_format != "auto" or preview is None else preview.format
    app.push_screen(Pick("What format are the rows in?", FORMATS, form), picked_form)
