"""What may be changed of a run that is gone on with, and what would make another run of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from tui_finetune.config.aliases import canonical
from tui_finetune.config.resolve import make_config, with_strategies
from tui_finetune.config.schema import RunConfig, settings
from tui_finetune.errors import UserError
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.state import RunState
from tui_finetune.runs.summary import load_state

CHANGEABLE = frozenset(
    {
        "num_train_epochs", "max_steps", "early_stopping_patience", "logging_steps", "eval_strategy", "eval_steps", "eval_loss_average",
        "save_strategy", "save_steps", "save_total_limit", "per_device_eval_batch_size", "gradient_checkpointing",
        "report_to", "save_dtype", "output_dir", "final_model_dir", "dataset_name",
    }
)  # fmt: skip
"""Settings that leave every step as it would have been. Of another dataset_name its tokens are compared instead."""

BATCH = ("per_device_train_batch_size", "gradient_accumulation_steps")
"""Settings that may only be changed together: what counts is their product."""

EFFECTIVE = "effective batch size"


def determining(config: RunConfig) -> dict[str, Any]:
    """The settings that determine every step of a run, as they stand in the manifest of its checkpoints."""
    fixed = config.model_dump(exclude={*CHANGEABLE, *BATCH})
    return {**fixed, EFFECTIVE: config.per_device_train_batch_size * config.gradient_accumulation_steps}


def check_settings(then: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Raises UserError, with all differences, where settings that determine the steps are not those of before.

    Settings that only one of the two knows, as after an update of the program, are passed over.
    """
    known = settings()

    def shown(key: str, value: Any) -> str:
        return known[key].show(value) if key in known else str(value)

    differences = [
        f"{key} is {shown(key, then[key])} in this run, not {shown(key, now[key])}"
        for key in now
        if key in then and then[key] != now[key]
    ]
    if not differences:
        return
    remedy = "leave it as it is, or start a new run; epochs, steps, and logging, evaluating and saving may be changed"
    if differences[0].startswith(EFFECTIVE):
        remedy = f"change {BATCH[0]} and {BATCH[1]} together, so that their product stays; or start a new run"
    raise UserError("; ".join(differences), remedy)


def changed_config(run: RunDirectory, changes: Mapping[str, Any]) -> RunConfig:
    """The configuration that a run goes on with.

    Args:
        run: the run.
        changes: settings by key or alias.

    Raises:
        UserError: its configuration can't be read, a change would make another run of it, or nothing is left to do.
    """
    before = run.read_config()
    config = make_config({**before.model_dump(), **with_strategies(canonical(changes))})
    check_settings(determining(before), determining(config))
    _check_something_is_left(run, before, config)
    return config


def _check_something_is_left(run: RunDirectory, before: RunConfig, config: RunConfig) -> None:
    state = load_state(run, brief=True)
    total = _total_steps(state, before, config)
    if total is not None and total < state.step:
        key = "max_steps" if config.max_steps > 0 else "num_train_epochs"
        raise UserError(
            f"{run.name} is at step {state.step:,}, beyond the {total:,} steps that {key} would give it",
            f"give it more with --{key}",
            setting=key,
        )
    if state.status != "finished":
        return
    if state.result is not None and state.result.early_stopped and config == before:
        raise UserError(
            f"{run.name} is finished: it ended early at step {state.step:,}, as evaluation got no better",
            f"to go on, give it more patience: `finetune-tui resume {run.name} --early_stopping_patience "
            f"{config.early_stopping_patience + 2}`",
        )
    if total == state.step:
        by_steps = config.max_steps > 0
        more = f"--max_steps {2 * state.step}" if by_steps else f"--num_train_epochs {2 * config.num_train_epochs:g}"
        raise UserError(
            f"{run.name} is finished: all {state.step:,} steps are done",
            f"to extend it: `finetune-tui resume {run.name} {more}`",
        )


def _total_steps(state: RunState, before: RunConfig, config: RunConfig) -> int | None:
    """The steps that a configuration amounts to, as Trainer counts them; None where the run doesn't tell."""
    if config.max_steps > 0:
        return config.max_steps
    known = state.total_steps or (state.result.total_steps if state.result else None)
    if known is None or before.max_steps > 0:
        return None
    steps_per_epoch = round(known / before.num_train_epochs, 6)
    return math.ceil(round(steps_per_epoch * config.num_train_epochs, 6))
