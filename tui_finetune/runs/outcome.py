"""What became of a run: in a line, where its files are, and what can be done next."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from tui_finetune.formatting import duration
from tui_finetune.runs.result import RunResult
from tui_finetune.runs.state import RunState
from tui_finetune.runs.status import mark
from tui_finetune.runs.verdict import Verdict, Way
from tui_finetune.system.paths import short_path


@dataclass(frozen=True)
class Outcome:
    """The end of a run, for people.

    Attributes:
        mark: one character for its status.
        good: whether it ended as was meant.
        headline: a sentence.
        remedy: what to do about it where it failed.
        saved: what there is and where, as a label and a path.
        can_resume: whether there is a checkpoint to resume from, and steps to do.
        can_chat: whether there is a model to talk to.
        can_extend: whether it came to its end, from where more epochs go on.
        plain: one line that a beginner understands: what training came to.
        way: what a key does next.
    """

    mark: str
    good: bool
    headline: str
    remedy: str = ""
    saved: list[tuple[str, str]] = field(default_factory=list)
    can_resume: bool = False
    can_chat: bool = False
    can_extend: bool = False
    plain: str = ""
    way: Way | None = None


def outcome(state: RunState, status: str, run: Path, verdict: Verdict | None = None) -> Outcome:
    """What became of a run.

    Args:
        state: the run.
        verdict: on it, where it is known; else what it wrote down itself.
        status: its status as a watcher sees it: finished, stopped, failed or interrupted.
        run: its directory, from which relative paths in its events lead.
    """
    result = state.result
    final = result.final_dir if result and status in {"finished", "stopped"} else None
    checkpoint, checkpoint_step = _checkpoint(state)
    saved: list[tuple[str, str]] = []
    if result and final:
        saved += _saved_model(result, final, state.step, run)
    if checkpoint and (status != "finished" or not final):
        label = f"checkpoint {checkpoint_step:,}" if checkpoint_step is not None else "checkpoint"
        saved.append((label, short_path(run / checkpoint)))
    unfinished = state.total_steps is None or state.step < state.total_steps
    can_resume = bool(checkpoint) and (status in {"failed", "interrupted"} or (status == "stopped" and unfinished))
    # A memory too small for the first step: there is no checkpoint yet, and nothing to lose by beginning again.
    can_resume = can_resume or (status == "failed" and bool(result and result.first_changes))
    headline, remedy = _words(state, status, has_checkpoint=bool(checkpoint))
    verdict = verdict or (result.verdict if result else None) or Verdict()
    wrong = verdict.went_wrong
    if wrong:
        if status in {"finished", "stopped"}:
            how = f" ({headline[0].lower()}{headline[1:]})"
            headline = verdict.headline[:1].upper() + verdict.headline[1:] + how
        remedy = (verdict.findings[0].remedy if verdict.findings else "") or remedy
    good = status in {"finished", "stopped"} and not wrong
    mark_of = mark("failed") if wrong else mark(status)
    can_extend = status == "finished" and bool(checkpoint) and not wrong
    return Outcome(
        mark_of, good, headline, remedy, saved, can_resume, bool(final), can_extend, verdict.plain, verdict.way
    )


def _saved_model(result: RunResult, final: str, step: int, run: Path) -> list[tuple[str, str]]:
    kept = result.final_step
    label = "model" if kept is None or kept == step else f"model of step {kept:,}"
    folder = run / final
    if not folder.exists() and (run / "final").is_dir():
        folder = run / "final"  # the run was renamed, or moved
    saved = [(label, short_path(folder))]
    if result.plot:
        inside = Path(result.plot).parent == Path(final)
        saved.append(("loss curves", f"{Path(result.plot).name} in it" if inside else short_path(run / result.plot)))
    return saved


def _checkpoint(state: RunState) -> tuple[str | None, int | None]:
    """Path and step of the newest checkpoint that the run has told of."""
    if state.result and state.result.checkpoint:
        return state.result.checkpoint, state.result.checkpoint_step
    newest = state.checkpoints[-1] if state.checkpoints else None
    return (newest.path or None, newest.step) if newest else (None, None)


def _words(state: RunState, status: str, *, has_checkpoint: bool) -> tuple[str, str]:
    """Headline and remedy."""
    of = f" of {state.total_steps:,}" if state.total_steps else ""
    step, result = f"step {state.step:,}", state.result
    if status == "finished":
        took = f" in {duration(state.pace.active_seconds)}" if state.pace.active_seconds else ""
        if result and result.early_stopped:
            return f"Finished early, at {step}{of}{took}: evaluation got no better", ""
        return f"Finished at {step}{took}", ""
    if status == "stopped":
        if state.reason:
            return f"Stopped: {state.reason}", ""
        return f"Stopped at {step}{of}; everything is saved", ""
    if status == "failed":
        return f"Failed: {state.reason or 'the log says why'}", result.remedy if result else ""
    lost = "it can be resumed from its checkpoint" if has_checkpoint else "no checkpoint had been saved"
    return f"Interrupted at {step}{of}: the process ended unexpectedly; {lost}", ""
