"""What a run is and how it went, in a few lines."""

from __future__ import annotations

from pathlib import Path

from textual.content import Content

from tui_finetune.config.schema import RunConfig, settings
from tui_finetune.formatting import duration
from tui_finetune.runs.state import RunState
from tui_finetune.runs.summary import RunSummary
from tui_finetune.system.paths import short_path
from tui_finetune.tui.widgets.progress import MUTED

_ELSEWHERE = {"model_name_or_path", "dataset_name", "output_dir", "final_model_dir"}
_LABEL_WIDTH = 10


def changed_settings(config: RunConfig) -> list[tuple[str, str]]:
    """The settings that differ from their defaults, but for those that have a line of their own: key and value."""
    return [
        (key, item.show(getattr(config, key)))
        for key, item in settings().items()
        if key not in _ELSEWHERE and getattr(config, key) != item.default
    ]


def _line(label: str, value: Content | str) -> Content:
    return Content.assemble((f"{label:<{_LABEL_WIDTH}}", MUTED), value)


def details_content(
    summary: RunSummary, state: RunState, config: RunConfig | None, *, tall: bool, note: str = ""
) -> Content:
    """The lines about a run.

    Args:
        summary: its line in the list.
        state: its events.
        config: its configuration, where it can be read.
        note: what its owner has written down about it.
        tall: a line for each changed setting, rather than all of them in one.
    """
    lines = [
        Content.styled(summary.name, "bold"),
        _line("model", summary.shown_model),
        _line("data", summary.shown_dataset),
    ]
    if losses := state.losses.values:
        first, last = losses[0], losses[-1]
        lines.append(_line("loss", f"{first:.3f} → {last:.3f}"))
    if state.best_eval_loss is not None:
        first = state.eval_losses.values[0]
        where = f" at step {state.best_step:,}"
        lines.append(_line("eval", Content.assemble(f"{first:.3f} → {state.best_eval_loss:.3f}", (where, MUTED))))
    if state.pace.active_seconds:
        lines.append(_line("took", duration(state.pace.active_seconds)))
    if summary.status == "failed" and state.reason:
        lines.append(_line("failed", state.reason))
    if summary.verdict:
        lines.append(_line("verdict", summary.verdict))
    if note:
        lines.append(_line("note", note))
    lines.append(_line("folder", short_path(Path(summary.path))))
    changed = changed_settings(config) if config is not None else []
    if changed and tall:
        width = max(len(key) for key, _ in changed) + 2
        lines += [Content(""), Content.styled("settings that differ from the defaults", MUTED)]
        lines += [Content.assemble((f"{key:<{width}}", MUTED), value) for key, value in changed]
    elif changed:
        lines.append(_line("settings", "  ".join(f"{key} {value}" for key, value in changed)))
    return Content("\n").join(lines)
