"""The order of the list of runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from tui_finetune.runs.summary import RunSummary

ORDERS = ("When", "Run", "Status", "Step", "Best eval", "Model", "Data set")
"""The columns that the list can be sorted by; newest first at first."""

_KEYS: dict[str, Callable[[RunSummary], tuple[object, ...]]] = {
    "When": lambda run: (-run.updated,),
    "Run": lambda run: (run.name.lower(),),
    "Status": lambda run: (not run.went_wrong, run.status),
    "Step": lambda run: (-run.step,),
    "Best eval": lambda run: (math.inf if run.best_eval_loss is None else run.best_eval_loss,),
    "Model": lambda run: (run.shown_model.lower(),),
    "Data set": lambda run: (run.shown_dataset.lower(),),
}


def in_order(runs: Sequence[RunSummary], column: str) -> list[RunSummary]:
    """The runs sorted by a column; those that are alike in it newest first."""
    newest_first = sorted(runs, key=lambda run: -run.updated)
    return newest_first if column == "When" else sorted(newest_first, key=_KEYS[column])
