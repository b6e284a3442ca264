"""What a run writes down for its verdict: the numbers that it is judged by, and at its end the verdict itself."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from tui_finetune.config.schema import RunConfig
from tui_finetune.models.catalog import suggested_rate
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.health import judge
from tui_finetune.runs.result import RunResult
from tui_finetune.runs.summary import load_state

if TYPE_CHECKING:
    from tui_finetune.training.inputs import Inputs


def run_facts(inputs: Inputs, config: RunConfig) -> dict[str, float]:
    """The numbers of a run that don't change, as `FactsEvent` has them."""
    told = inputs.data.statistics
    suggested = suggested_rate(config.model_name_or_path)
    return {
        "learning_rate": config.learning_rate,
        **({"suggested_rate": suggested} if suggested is not None else {}),
        "documents": told.documents,
        "left_out": told.left_out,
        "tokens": told.tokens,
        "cut_tokens": told.cut_tokens,
        "train_rows": told.train_rows,
        "eval_rows": told.eval_rows,
    }


def judged(result: RunResult, run: RunDirectory, config: RunConfig) -> RunResult:
    """A result with the verdict on its run, worked out from all that was logged; where that fails, the result as it is, since
    how a run ended is worth more than what is thought of it."""
    try:
        state = load_state(run)
        state.status, state.result = result.status, result
        return replace(result, verdict=judge(state, config))
    except Exception:
        logging.getLogger(__name__).exception("no verdict on the run")
        return result
