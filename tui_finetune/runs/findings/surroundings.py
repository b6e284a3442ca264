"""Findings in what surrounds the training: its data, the device, and whether it is alive."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from tui_finetune.formatting import duration
from tui_finetune.runs.findings import limits
from tui_finetune.runs.findings.evidence import Evidence
from tui_finetune.runs.verdict import Finding, Way


def surroundings(seen: Evidence) -> Iterator[Finding]:
    """All of them; those of the device only while it is going."""
    yield from data_lost(seen)
    if not seen.is_over:
        for finding in (memory(seen), heat(seen), slow(seen), silent(seen)):
            if finding is not None:
                yield finding


def data_lost(seen: Evidence) -> Iterator[Finding]:
    """Tokens that are cut off, rows that nothing is learned from."""
    known = seen.state.facts.get
    tokens, cut = known("tokens"), known("cut_tokens")
    if tokens and cut and cut > limits.CUT_SHARE * (tokens + cut):
        message = f"{cut / (tokens + cut):.0%} of the tokens are cut off and never learned."
        remedy = "a larger max_length, or excess_length_strategy: split"
        yield Finding("warning", message, remedy, "max_length", kind="cut-off")
    taken, left_out = known("documents"), known("left_out")
    if taken and left_out and left_out > limits.EMPTY_SHARE * (taken + left_out):
        message = f"{left_out / (taken + left_out):.0%} of the rows have nothing to learn from and are left out."
        yield Finding("warning", message, "look at them on Dataset", "dataset_name", kind="left-out")


def memory(seen: Evidence) -> Finding | None:
    """Nine tenths are full."""
    if not seen.state.resources:
        return None
    reading = seen.state.resources[-1].readings.get
    for used, whole, what in (
        ("gpu_memory_used", "gpu_memory_total", "the GPU's memory"),
        ("ram_used", "ram_total", "this machine's memory"),
    ):
        share = (reading(used) or 0.0) / (reading(whole) or 1.0)
        if reading(whole) and share >= limits.MEMORY_SHARE:
            remedy = "save now; a smaller per_device_train_batch_size needs less"
            return Finding(
                "warning", f"{share:.0%} of {what} is in use.", remedy, "per_device_train_batch_size", kind="memory"
            )
    return None


def heat(seen: Evidence) -> Finding | None:
    degrees = seen.state.resources[-1].readings.get("gpu_temperature") if seen.state.resources else None
    if degrees is None or degrees < limits.HOT_CELSIUS:
        return None
    return Finding(
        "warning", f"The GPU is at {degrees:.0f} °C, where it slows down.", "look at its cooling", kind="heat"
    )


def slow(seen: Evidence) -> Finding | None:
    """Half the usual speed, for a minute at least."""
    speeds = seen.state.curves.known("tokens_per_second").values
    pace = seen.state.pace.seconds_per_step
    steps = seen.state.losses.steps
    if len(speeds) < 12 or not pace or len(steps) < 2:
        return None
    between = pace * max(steps[-1] - steps[-2], 1)
    lately = max(int(limits.SLOW_SECONDS / max(between, 1e-6)) + 1, 3)
    if len(speeds) < 3 * lately:
        return None
    usual, now = median(speeds[-1000:]), median(speeds[-lately:])
    if now > limits.SLOW_SHARE * usual:
        return None
    message = f"The speed has fallen to {now:,.0f} tokens/s from {usual:,.0f}."
    return Finding("warning", message, "see what else runs on this machine, and how hot it is", kind="slow")


def silent(seen: Evidence) -> Finding | None:
    """No sign of life for long, where steps were quick."""
    state, pace = seen.state, seen.state.pace.seconds_per_step
    if seen.now is None or state.updated is None or pace is None or state.status != "running":
        return None
    waited = seen.now - state.updated
    if waited < limits.SILENT_SECONDS or pace > limits.QUICK_STEP_SECONDS:
        return None
    message = f"No sign of life for {duration(waited)}, where a step took {duration(pace)}."
    return Finding(
        "warning", message, "see the log and the machine; stop it if it hangs", kind="silent", way=Way("stop")
    )
