"""The curves of a run that can be drawn: which there are, what they are called, what their values are."""

from __future__ import annotations

from collections.abc import Iterable

from tui_finetune.formatting import size
from tui_finetune.runs.series import LOSS, Series
from tui_finetune.runs.state import RunState
from tui_finetune.tui.widgets.chart.labels import show_value

MEMORY = "memory"
"""The curve of the memory that the run takes, which is read and not logged."""

EVALUATION = "eval_"
"""What Trainer puts before the names of what it evaluates."""

FIRST = (LOSS, "learning_rate", "grad_norm", "tokens_per_second", MEMORY)
"""The order in which curves are shown; then all others, as they were logged."""

_TITLES = {
    LOSS: "Loss", "learning_rate": "Learning rate", "grad_norm": "Gradient norm",
    "tokens_per_second": "Useful tokens/s", MEMORY: "Memory",
}  # fmt: skip
_BOOKKEEPING = ("num_tokens", "num_input_tokens_seen", "total_flos", "train_loss", "epoch")
_TIMES = ("_runtime", "_per_second")


def title(name: str) -> str:
    """What a curve is called: where it is one that every run has, in words."""
    return _TITLES.get(name, name)


def curve_names(state: RunState, logged: Iterable[str]) -> list[str]:
    """The curves of a run in the order in which they are shown, without those that only count or are drawn with another.

    Args:
        state: the run.
        logged: the names of what it has logged.
    """
    names = set(logged)
    own = {name.removeprefix(EVALUATION) for name in names if name == LOSS or not _counts(name)}
    if state.memory:
        own.add(MEMORY)
    rest = [name for name in dict.fromkeys(map(_bare, logged)) if name in own and name not in FIRST]
    return [name for name in FIRST if name in own] + rest


def _bare(name: str) -> str:
    return name.removeprefix(EVALUATION)


def _counts(name: str) -> bool:
    if name == "tokens_per_second":
        return False
    return name in _BOOKKEEPING or name.endswith(_TIMES)


def curve_of(state: RunState, name: str) -> Series:
    """The points of a curve; none where there are none."""
    return state.memory if name == MEMORY else state.curve(name)


def show(name: str, value: float) -> str:
    """A value of a curve, in few characters."""
    return size(value) if name == MEMORY else show_value(value)
