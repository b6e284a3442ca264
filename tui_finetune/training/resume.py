"""Resuming a run: from which checkpoint, with which changes, and whether data and model are still the same."""

from __future__ import annotations

import hashlib
import math
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tui_finetune.config.aliases import canonical
from tui_finetune.config.resolve import make_config, with_strategies
from tui_finetune.config.schema import RunConfig, settings
from tui_finetune.config.steps import rows_per_update
from tui_finetune.errors import Notice, UserError
from tui_finetune.runs import checkpoints
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.log import EventLog
from tui_finetune.runs.state import RunState
from tui_finetune.runs.summary import load_state
from tui_finetune.runs.values import Fields
from tui_finetune.training.computing import SEEN_LATER

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedModel

# What may be changed

CHANGEABLE = frozenset(
    {
        "num_train_epochs", "max_steps", "early_stopping_patience", "logging_steps", "eval_strategy", "eval_steps",
        "eval_loss_average", "save_strategy", "save_steps", "save_total_limit", "save_only_model",
        "per_device_eval_batch_size", "gradient_checkpointing", "chunked_cross_entropy",
        "report_to", "save_dtype", "output_dir", "final_model_dir", "dataset_name", "datasets", "eval_dataset",
        "notify", "notify_command", "check_before_training", "gpus", "distributed", "max_restarts", "num_machines",
        "machine_rank", "main_process_ip", "main_process_port", "ddp_timeout",
    }
)  # fmt: skip
"""Settings that leave every step as it would have been, but for rounding. Of another dataset_name, or other datasets, the tokens are
compared instead."""

BATCH = ("per_device_train_batch_size", "gradient_accumulation_steps", "num_processes")
"""Settings that may only be changed together: what counts is their product."""

EFFECTIVE = "effective batch size"


def determining(config: RunConfig) -> dict[str, object]:
    """The settings that determine every step of a run, as they stand in the manifest of its checkpoints."""
    fixed = config.model_dump(exclude={*CHANGEABLE, *BATCH})
    return {**fixed, EFFECTIVE: rows_per_update(config)}


def check_settings(
    then: Mapping[str, object], now: Mapping[str, object], *, decided: frozenset[str] = frozenset()
) -> None:
    """Raises UserError, with all differences, where settings that determine the steps are not those of before.

    Settings that only one of the two knows, as after an update of the program, are passed over.

    Args:
        then, now: settings by key.
        decided: settings that stand in `then` as 'auto' where they were left to the device, and in `now` as it was decided.
    """
    known = settings()

    def shown(key: str, value: object) -> str:
        return known[key].show(value) if key in known else str(value)

    differences = [
        f"{key} is {shown(key, then[key])} in this run, not {shown(key, now[key])}"
        for key in now
        if key in then and then[key] != now[key] and not (key in decided and then[key] == "auto")
    ]
    if not differences:
        return
    remedy = "leave it as it is, or start a new run; epochs, steps, and logging, evaluating and saving may be changed"
    if differences[0].startswith(EFFECTIVE):
        remedy = (
            f"change {BATCH[0]}, {BATCH[1]} and {BATCH[2]} together, so that their product stays; or start a new run"
        )
    raise UserError("; ".join(differences), remedy)


def changed_config(run: RunDirectory, changes: Mapping[str, object]) -> RunConfig:
    """The configuration that a run is resumed with.

    Args:
        run: the run.
        changes: settings by key or alias.

    Raises:
        UserError: its configuration can't be read, a change would make another run of it, or nothing is left to do.
    """
    before = run.read_config()
    changed = canonical(changes)
    config = _keeping_updates(before, make_config({**before.model_dump(), **with_strategies(changed)}), changed)
    check_settings(determining(before), determining(config))
    _check_something_is_left(run, before, config)
    saved = checkpoints.committed(run.checkpoints_dir)
    if before.save_only_model and saved:
        raise _only_the_model(run, saved[-1])
    return config


def _keeping_updates(before: RunConfig, config: RunConfig, changed: Mapping[str, object]) -> RunConfig:
    """On another number of processes as many more or fewer batches are accumulated, so that an update stays what it was;
    unless somebody has said how many."""
    if "gradient_accumulation_steps" in changed or "num_processes" not in changed:
        return config
    batches, left = divmod(rows_per_update(before), rows_per_update(config) // config.gradient_accumulation_steps)
    return config if left or not batches else config.model_copy(update={"gradient_accumulation_steps": batches})


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
    patience = config.early_stopping_patience if config.eval_strategy != "no" else 0
    if state.result is not None and state.result.early_stopped and 0 < patience <= before.early_stopping_patience:
        raise UserError(
            f"{run.name} is finished: it ended early at step {state.step:,}, as evaluation got no better",
            f"to continue, give it more patience: `finetune-tui resume {run.name} --early_stopping_patience "
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


# The checkpoint


def checkpoint_to_resume(run: RunDirectory, config: RunConfig, log: EventLog) -> Path | None:
    """The checkpoint that a run is resumed from; None where none was ever saved, and the training begins again.

    Every newer one that is not used is told, with the reason.

    Raises:
        UserError: every checkpoint is damaged, or the newest sound one belongs to other settings.
    """
    checkpoint, unsound = checkpoints.newest_sound(run.checkpoints_dir)
    half = checkpoints.uncommitted(run.checkpoints_dir)
    if checkpoint is None and (unsound or load_state(run).checkpoints):
        what = [f"{path.name}: {reason}" for path, reason in unsound]
        what += [f"{path.name}: {checkpoints.MANIFEST} is missing" for path in half]
        raise UserError(
            f"every checkpoint of {run.name} is damaged: {'; '.join(what) or 'none is there any more'}",
            "restore the run's directory from a copy, or start a new run",
        )
    if checkpoint is not None and checkpoints.read_manifest(checkpoint).holds_only_model:
        raise _only_the_model(run, checkpoint)
    for path, reason in unsound:
        message = f"{path.name} is damaged ({reason}) and is not used."
        log.notice(Notice("warning", message, "resuming from the one before"))
    for path in half:
        if checkpoint is None or checkpoints.step_of(path) > checkpoints.step_of(checkpoint):
            message = f"{path.name} was not saved to its end ({checkpoints.MANIFEST} is missing) and is removed."
            remedy = "resuming from the one before" if checkpoint else "the training begins again"
            log.notice(Notice("warning", message, remedy))
    if checkpoint is not None:
        settings = checkpoints.read_manifest(checkpoint).facts.get("settings")
        check_settings(settings if isinstance(settings, dict) else {}, determining(config), decided=SEEN_LATER)
    return checkpoint


def _only_the_model(run: RunDirectory, checkpoint: Path) -> UserError:
    return UserError(
        f"the checkpoints of {run.name} hold only the model (save_only_model), so training can't continue from them",
        f"start a new run from its weights: `finetune-tui train --model {checkpoint}`",
        setting="save_only_model",
    )


def clear_the_way(run: RunDirectory, checkpoint: Path | None) -> None:
    """Put away what is in the place of checkpoints that will be saved again, after the one that the run is resumed from, and
    what a killed process left half done."""
    for bad in checkpoints.committed(run.checkpoints_dir):
        if checkpoint is not None and checkpoints.step_of(bad) > checkpoints.step_of(checkpoint):
            bad.rename(bad.with_name(f"damaged-{bad.name}-{time.time_ns()}"))
    for path in checkpoints.uncommitted(run.checkpoints_dir):
        shutil.rmtree(path, ignore_errors=True)


# The same data and model

SAMPLED_ROWS = 1000


def data_fingerprint(rows: Dataset) -> str:
    """A hash of prepared training rows: their number, and the tokens of up to 1000 of them, spread evenly."""
    digest = hashlib.sha256(str(len(rows)).encode())
    stride = max(1, len(rows) // SAMPLED_ROWS)
    sampled = rows.select(range(0, len(rows), stride))
    names = [name for name in ("input_ids", "prompt_ids", "chosen_ids", "rejected_ids", "completion_ids", "label")
             if name in rows.column_names]  # fmt: skip
    for values in zip(*(sampled.select_columns(name)[:][name] for name in names), strict=True):
        for value in values:
            digest.update(repr(value if isinstance(value, bool) else list(value)).encode())
    return digest.hexdigest()[:32]


def weights_fingerprint(model: PreTrainedModel) -> str:
    """A hash of the names and shapes of a model's weights."""
    digest = hashlib.sha256()
    for name, weights in sorted(model.named_parameters()):
        digest.update(f"{name} {tuple(weights.shape)}\n".encode())
    return digest.hexdigest()[:32]


def check_fingerprint(now: Fields, then: Fields) -> None:
    """Raises UserError where the data or the model is not the one that the checkpoint was trained with."""
    if then.get("model") not in (None, now["model"]):
        raise UserError(
            f"the checkpoint belongs to a run of {then['model']}, not of {now['model']}", "start a new run instead"
        )
    before, after = then.get("base"), now.get("base")
    if isinstance(before, dict) and isinstance(after, dict) and before.get("sha256") != after.get("sha256"):
        raise UserError(
            f"{after.get('name')}, which the adapter is trained on, is not the model it was when the checkpoint was saved",
            "put the model back as it was, or start a new run",
        )
    if then.get("weights") not in (None, now["weights"]):
        raise UserError(
            f"the checkpoint is of a model with other weights than {now['model']} has now",
            "put the model back as it was, or start a new run",
        )
    if then.get("data") not in (None, now["data"]):
        before, after = (f"{facts.get('dataset', 'it')} with {facts.get('rows', '?')} rows" for facts in (then, now))
        raise UserError(
            f"the data is not what this run was trained on, its tokens have changed: {before} then, {after} now",
            "put the data back as it was, or start a new run",
        )
