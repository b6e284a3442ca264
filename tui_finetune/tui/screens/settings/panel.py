"""The explanation of the setting or preset with the focus, and below it what all settings amount to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from rich.console import Group
from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from tui_finetune.config.fields import Setting
from tui_finetune.config.form import update_size
from tui_finetune.config.presets import Preset
from tui_finetune.config.schema import RunConfig
from tui_finetune.formatting import size
from tui_finetune.tui.theme import rich_style
from tui_finetune.tui.widgets.fitted import Fitted

if TYPE_CHECKING:
    from tui_finetune.planning.plan import Plan

ORIGINS = {
    "default": "the default",
    "model": "suits the model",
    "method": "suits the method",
    "form": "chosen here",
    "file": "from the file",
    "flag": "from the command line",
    "not used": "not used by the method that is chosen",
}
"""Where a value comes from, as the panel says it."""


LEAST_SHOWN = 5_000_000
"""Bytes of memory by which a change has to differ to be told."""

UNUSED = "not used"
"""What stands in place of the origin of a value that has no effect with the method."""


def origin_words(origin: str) -> str:
    return ORIGINS.get(origin, f"from {origin}")


def amounts(config: RunConfig, plan: Plan | None) -> list[str]:
    """What a configuration amounts to, a line each: an update of the weights, the run."""
    lines = [update_size(config)]
    if plan is None:
        return lines
    from tui_finetune.models.methods.choose import method_of
    from tui_finetune.planning.plan import rough_duration

    if plan.facts is not None and config.method != "full":
        lines.insert(0, method_of(config).words(plan.facts))
    if plan.steps is not None:
        run = f"{plan.steps:,} {'step' if plan.steps == 1 else 'steps'}"
        if plan.estimate is not None and plan.estimate.seconds is not None:
            run += f", about {rough_duration(plan.estimate.seconds)}"
        lines.append(run)
    return lines


def memory_lines(plan: Plan, width: int, before: int | None, *, bar: bool) -> list[Content]:
    """What of the memory a run takes, as lines: the number, a bar of its parts, their sizes.

    Args:
        plan: what is known of the run.
        width: cells of a line.
        before: bytes that it took before the setting in focus was changed; None where that isn't known.
        bar: whether there is room for more than the number.
    """
    from tui_finetune.tui.widgets.memory_bar import memory_bar, memory_legend

    estimate = plan.estimate
    if estimate is None:
        return []
    more = estimate.needed - before if before is not None else 0
    change = f" ({'+' if more > 0 else '-'}{size(abs(more))})" if abs(more) >= LEAST_SHOWN else ""
    how = ", measured" if estimate.measured else ""
    words = f"{size(estimate.needed)}{change}"
    if estimate.fits:
        lines = [Content.assemble(words, (f" of {size(estimate.usable)} memory{how}", "$foreground 60%"))]
    else:
        lines = [Content(f"✗ {words} memory, {size(estimate.usable)} usable{how}")]
    return [*lines, memory_bar(estimate, width), memory_legend(estimate, width)] if bar else lines


class SettingPanel(Vertical):
    """Explains; takes no focus. The wheel scrolls it, and so do the keys that the screen gives it."""

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="explained", can_focus=False):
            yield Static(id="explanation", markup=False)
        yield Fitted(id="amounts")

    def _show(self, title: str, paragraphs: Sequence[str], facts: Sequence[tuple[str, str]]) -> None:
        # One widget and one update: each would have the screen laid out anew.
        table = Table.grid(padding=(0, 1), expand=True)
        table.add_column(no_wrap=True)
        table.add_column(ratio=1, overflow="fold")
        for label, value in facts:
            table.add_row(Text(label, style="dim"), Text(value))
        accent = rich_style(self.app, "accent", bold=True)
        text = Text("\n\n".join(paragraphs) + "\n")
        self.query_one("#explanation", Static).update(Group(Text(title + "\n", style=accent), text, table))
        self.query_one("#explained", VerticalScroll).scroll_home(animate=False)

    def explain(self, item: Setting, origin: str, inherited: str) -> None:
        """Explain a setting.

        Args:
            item: the setting.
            origin: where its value comes from.
            inherited: what it goes back to on a reset.
        """
        facts = [("allowed", item.allowed), ("value", origin_words(origin))]
        if origin == "form":
            facts.append(("reset to", inherited))
        if (default := item.default_shown) != inherited or origin != "default":
            facts.append(("default", default))
        if item.aliases:
            facts.append(("also", ", ".join(item.aliases)))
        self._show(item.key, [item.help, item.explanation], facts)

    def explain_preset(self, preset: Preset, shown: Sequence[tuple[str, str]]) -> None:
        """Explain a preset.

        Args:
            preset: the preset.
            shown: the settings it makes, with their values as text.
        """
        weak = [f"{weak.message} Remedy: {weak.remedy}." for weak in preset.weaknesses]
        self._show(f"preset {preset.name}", [preset.summary, *weak], shown or [("sets", "nothing: all defaults")])

    def show_amounts(self, lines: Callable[[int], Sequence[str | Content]]) -> None:
        """Say what the settings amount to, a line each, made for the width that there is."""
        self.query_one("#amounts", Fitted).fit(
            lambda width: Content("\n").join(Content(line) if isinstance(line, str) else line for line in lines(width))
        )

    def scroll_text(self, by: int) -> None:
        """Scroll the explanation by so many lines."""
        self.query_one("#explained", VerticalScroll).scroll_relative(y=by, animate=False)
