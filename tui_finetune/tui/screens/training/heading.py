"""The words around the chart: what the run is doing, how its preparation goes, what became of it."""

from __future__ import annotations

import itertools
import textwrap
from typing import TYPE_CHECKING

from textual.content import Content

from tui_finetune.runs.events import PHASE_LABELS
from tui_finetune.runs.outcome import Outcome
from tui_finetune.runs.state import RunState
from tui_finetune.runs.status import mark, word
from tui_finetune.runs.verdict import Verdict
from tui_finetune.tui.theme import STATUS_STYLES
from tui_finetune.tui.widgets.progress import MUTED, bar, percent

if TYPE_CHECKING:
    from tui_finetune.config.schema import RunConfig


def phase_words(state: RunState) -> str:
    """What is being done."""
    return state.phase_label or PHASE_LABELS.get(state.phase, state.phase.replace("_", " ").capitalize())


def heading(state: RunState, status: str, name: str, asked: str = "") -> Content:
    """One line: status, the run's name, and what was asked of it and is not done yet."""
    style = STATUS_STYLES.get(status, "$accent")
    words = word(status).capitalize()
    if status == "running" and state.phase not in {"", "training"}:
        words = phase_words(state)
    elif status == "stopping":
        words = f"Stopping: saving step {state.step:,}" if state.step else "Stopping"
        if state.reason:
            words += f" ({state.reason})"
    elif status == "paused" and state.step:
        words = f"Paused at step {state.step:,}"
    tail = f"   {asked} …" if asked else ""
    return Content.assemble((f"{mark(status)} {words}", f"bold {style}"), f"   {name}", (tail, MUTED))


def ending_heading(ending: Outcome, name: str) -> Content:
    """The same line once the run is over."""
    style = "$success" if ending.good else "$error"
    return Content.assemble((f"{ending.mark} {ending.headline}", f"bold {style}"), f"   {name}")


def phase_share(state: RunState) -> tuple[float | None, str]:
    """How far the current phase is: its share, None where the total isn't known, and the counts in words."""
    progress = state.progress.get(state.phase)
    if progress is None:
        return None, ""
    if not progress.total:
        return None, f"{progress.done:,} {progress.unit}" if progress.done else ""
    counts = f"{progress.done:,} / {progress.total:,} {progress.unit}"
    if progress.unit in {"bytes", "B"}:
        from tui_finetune.formatting import size

        counts = f"{size(progress.done)} of {size(progress.total)}"
    return min(progress.done / progress.total, 1.0), counts


def preparation(state: RunState, width: int) -> Content:
    """What comes before the first point: each phase so far, ticked, and the current one with its bar.

    Args:
        state: the run.
        width: of the screen, not of what has room beside it, which is only known once it is laid out.
    """
    seen = state.preparation
    current = len(seen) - 1
    lines: list[Content] = []
    for number, (phase, label) in enumerate(seen):
        words = label or PHASE_LABELS.get(phase, phase)
        if number == current and not state.is_over and state.phase == phase:
            lines.append(Content.assemble(("● ", "$accent"), (words, "bold")))
        else:
            lines.append(Content.assemble(("✓ ", "$success"), (words, MUTED)))
    if state.phase == "training":
        lines.append(Content.assemble(("● ", "$accent"), ("Training; the first loss comes soon", "bold")))
    elif not seen:
        lines.append(Content.assemble(("● ", "$accent"), ("Starting", "bold")))
    share, counts = phase_share(state)
    if share is not None:
        room = max(min(width - 12, 40), 8)
        lines += [
            Content("  ").append(bar(share, room)),
            Content.assemble("  ", percent(share), (f"   {counts}", MUTED)),
        ]
    elif counts:
        lines.append(Content.styled(f"  {counts}", MUTED))
    return Content("\n").join(lines)


def nothing_yet(config: RunConfig | None) -> Content:
    """What the screen says before there is a run."""
    lines = [Content.styled("No run yet", "bold")]
    if config is not None:
        lines.append(
            Content.assemble(
                ("ctrl+r", "bold $accent"),
                " trains ",
                (config.model_name_or_path, "bold"),
                " on ",
                (config.dataset_name, "bold"),
            )
        )
    else:
        lines.append(
            Content.assemble("The line above says what is missing before ", ("ctrl+r", "bold $accent"), " can train")
        )
    lines.append(
        Content.assemble(
            ("1", "$accent"),
            " another model   ",
            ("2", "$accent"),
            " other data   ",
            ("3", "$accent"),
            " settings   ",
            ("6", "$accent"),
            " earlier runs",
        )
    )
    return Content("\n\n").join(lines)


def verdict_content(verdict: Verdict) -> Content | None:
    """What has to be seen to while the run goes, and what to do about it; None where all is well."""
    if verdict.level not in {"error", "warning"}:
        return None
    first = verdict.findings[0]
    style = "$error" if verdict.went_wrong else "$warning"
    words = verdict.headline[:1].upper() + verdict.headline[1:]
    keys = " (ctrl+c stops and saves)" if first.way is not None else ""
    remedy = (f"  → {first.remedy}{keys}", MUTED) if first.remedy else ""
    return Content.assemble((f"{'✗' if verdict.went_wrong else '!'} {words}", f"bold {style}"), remedy)


def ending_content(ending: Outcome, width: int) -> Content:
    """What training came to, what was saved where, and what to do next, in so many columns."""
    lines: list[Content] = []
    label_width = max((len(label) for label, _ in ending.saved), default=0)
    if ending.plain:
        lines += [Content.styled(line, "bold") for line in textwrap.wrap(ending.plain, width if width >= 40 else 76)]
    for label, path in ending.saved:
        lines.append(Content.assemble((f"{label:<{label_width}}  ", MUTED), path))
    keys = [("a", ending.way.words)] if ending.way is not None and ending.way.deed == "again" else []
    keys += [("b", "before and after"), ("c", "chat"), ("x", "export")] if ending.can_chat else []
    keys += [("r", "resume")] if ending.can_resume else []
    keys += [("e", "extend")] if ending.can_extend else []
    keys += [("n", "change one setting"), ("k", "compare")]
    fits = itertools.accumulate(len(key) + len(words) + 4 for key, words in keys)
    shown = [pair for pair, end in zip(keys, fits, strict=True) if width < 40 or end - 3 <= width]
    parts = [Content.assemble((key, "bold $accent"), f" {words}") for key, words in shown]
    lines.append(Content("   ").join(parts))
    return Content("\n").join(lines)
