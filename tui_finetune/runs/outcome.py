"""What became of a run: in a line, where its files are, and what can be done next."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tui_finetune.formatting import duration
from tui_finetune.runs.state import RunState


@dataclass(frozen=True)
class Ending:
    """The end of a run.

    Attributes:
        mark: one character for its status.
        good: whether it ended as was meant.
        headline: a sentence.
        remedy: what to do about it where it failed.
        saved: what there is and where, as a label and a path.
        can_resume: whether there is a checkpoint to go on from, and steps to do.
        can_chat: whether there is a model to talk to.
    """

    mark: str
    good: bool
    headline: str
    remedy: str = ""
    saved: list[tuple[str, str]] = field(default_factory=list)
    can_resume: bool = False
    can_chat: bool = False


def short_path(path: str | Path, here: Path | None = None, home: Path | None = None) -> str:
    """A path as it is typed: relative where it lies below the current directory, with ~ for the home directory."""
    full = Path(path)
    for base, prefix in ((here or Path.cwd(), ""), (home or Path.home(), "~/")):
        try:
            return prefix + str(full.relative_to(base))
        except ValueError:
            continue
    return str(full)


def ending(state: RunState, status: str, run: Path) -> Ending:
    """What became of a run.

    Args:
        state: the run.
        status: its status as a watcher sees it: finished, stopped, failed or interrupted.
        run: its directory, from which relative paths in its events lead.
    """
    details = state.details
    of = f" of {state.total_steps:,}" if state.total_steps else ""
    step = f"step {state.step:,}"
    final = details.get("final_dir") if status in {"finished", "stopped"} else None
    checkpoint, checkpoint_step = _checkpoint(state)
    saved: list[tuple[str, str]] = []
    if final:
        kept = details.get("final_step")
        label = "model" if not isinstance(kept, int) or kept == state.step else f"model of step {kept:,}"
        saved.append((label, short_path(run / str(final))))
        if plot := details.get("plot"):
            inside = Path(str(plot)).parent == Path(str(final))
            where = f"{Path(str(plot)).name} in it" if inside else short_path(run / str(plot))
            saved.append(("loss curves", where))
    if checkpoint and (status != "finished" or not final):
        label = f"checkpoint {checkpoint_step:,}" if checkpoint_step is not None else "checkpoint"
        saved.append((label, short_path(run / checkpoint)))
    unfinished = state.total_steps is None or state.step < state.total_steps
    can_resume = bool(checkpoint) and (status in {"failed", "interrupted"} or (status == "stopped" and unfinished))
    # A memory too small for the first step: there is no checkpoint yet, and nothing to lose by beginning again.
    can_resume = can_resume or (status == "failed" and bool(first_remedy(state)))
    headline, remedy, mark = _words(state, status, step, of, bool(checkpoint))
    return Ending(mark, status in {"finished", "stopped"}, headline, remedy, saved, can_resume, bool(final))


def first_remedy(state: RunState) -> dict[str, Any]:
    """The settings to go on with where memory was too small, as the run itself advises; without advice none."""
    remedies = state.details.get("remedies") if state.status == "failed" else None
    first = remedies[0] if isinstance(remedies, list) and remedies else None
    changes = first.get("changes") if isinstance(first, dict) else None
    return changes if isinstance(changes, dict) else {}


def _checkpoint(state: RunState) -> tuple[str | None, int | None]:
    """Path and step of the newest checkpoint that the run has told of."""
    found = state.details.get("checkpoint"), state.details.get("checkpoint_step")
    if (not state.is_over or not found[0]) and state.checkpoints:
        found = state.checkpoints[-1].get("path"), state.checkpoints[-1].get("step")
    path, step = found
    return (str(path) if path else None), (step if isinstance(step, int) else None)


def _words(state: RunState, status: str, step: str, of: str, has_checkpoint: bool) -> tuple[str, str, str]:
    """Headline, remedy and mark."""
    if status == "finished":
        took = f" in {duration(state.pace.active_seconds)}" if state.pace.active_seconds else ""
        if state.details.get("early_stopped"):
            return f"Finished early, at {step}{of}{took}: evaluation got no better", "", "✓"
        return f"Finished at {step}{took}", "", "✓"
    if status == "stopped":
        if state.reason:
            return f"Stopped: {state.reason}", "", "■"
        return f"Stopped at {step}{of}; everything is saved", "", "■"
    if status == "failed":
        remedy = str(state.details.get("remedy") or "")
        return f"Failed: {state.reason or 'the log says why'}", remedy, "✗"
    lost = "it goes on from the checkpoint" if has_checkpoint else "no checkpoint had been saved"
    return f"Interrupted at {step}{of}: the process ended without a word; {lost}", "", "✗"
