"""What is chosen for a run where nobody chose: batch, accumulation, epochs, rate, how often is logged; each with its reason.

From the model, the data, the method and the memory that is free. No torch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from tui_finetune.config.names import PREFERENCE_SHARE
from tui_finetune.config.resolve import Resolved
from tui_finetune.config.schema import ADAPTERS, RunConfig, settings
from tui_finetune.config.steps import count_steps, processes_of, rows_per_update, steps_per_epoch
from tui_finetune.errors import Notice
from tui_finetune.formatting import amount, size
from tui_finetune.models.devices import DeviceFacts
from tui_finetune.models.facts import ModelFacts
from tui_finetune.models.memory import USABLE, load_of, peak

USUAL_ROWS = 16
"""Rows of an update, where there are enough of them."""

LARGEST_BATCH = 8
"""Rows computed at once; more make hardly better use of a device."""

ENOUGH_UPDATES = 60
"""Updates in which a model learns something, at the rates that are chosen here."""

FEW_UPDATES = 30
MOST_EPOCHS = 10
MOST_EPOCHS_OF_FEW = 20
POINTS = 30
"""Points of a curve, at least."""

USUAL_LOGGING = 10
FEW_EVALUATED = 5
FAR_OFF = 100

_RATES = ((50e6, 3e-4), (300e6, 1e-4), (1e9, 5e-5), (4e9, 2e-5), (math.inf, 1e-5))
"""Up to so many parameters: the rate for training all of them. A 135M model learned best of three at the highest, 3e-4, in 24
steps, and hardly at 2e-5."""

CHOSEN_HERE = frozenset(
    {
        "per_device_train_batch_size", "per_device_eval_batch_size", "gradient_accumulation_steps", "num_train_epochs",
        "learning_rate", "logging_steps", "eval_steps", "gradient_checkpointing",
    }
)  # fmt: skip


DOCUMENTS = {"text": "texts", "messages": "conversations", "sharegpt": "conversations"}
"""What the documents of a format are called; else they are examples."""


@dataclass(frozen=True)
class Amount:
    """How much data there is.

    Attributes:
        documents: texts or conversations, those for evaluation among them.
        rows: rows of tokens to train on.
        eval_rows: rows of tokens to evaluate on; None where that isn't known.
        what: what the documents are, in the plural.
        packed: whether rows hold several.
    """

    documents: int
    rows: int
    eval_rows: int | None = None
    what: str = "texts"
    packed: bool = True

    def words(self) -> str:
        """As '80 conversations are 24 packed rows'."""
        kind = "packed rows" if self.packed else "rows"
        return f"{self.documents:,} {self.what} are {self.rows:,} {kind}"


@dataclass(frozen=True)
class Choices:
    """A configuration with nothing left to choose.

    Attributes:
        config: it.
        reasons: why each value that was chosen here is what it is, by key.
        notices: what should be known before such a run is started.
    """

    config: RunConfig
    reasons: Mapping[str, str] = field(default_factory=dict)
    notices: tuple[Notice, ...] = ()

    def words(self, data: Amount | None) -> str:
        """In a line, what was chosen and why: '80 conversations are 24 packed rows: batch 4, 10 epochs, 60 updates'."""
        if data is None:
            return ""
        config = self.config
        rows = rows_per_update(config)
        parts = [f"batch {rows}"]
        if config.max_steps <= 0:
            parts.append(f"{config.num_train_epochs:g} {'epoch' if config.num_train_epochs == 1 else 'epochs'}")
        updates = count_steps(data.rows, config)
        return f"{data.words()}: {', '.join(parts)}, {updates:,} {'update' if updates == 1 else 'updates'}"


def choose(
    resolved: Resolved, facts: ModelFacts, device: DeviceFacts, length: int, data: Amount | None = None
) -> Choices:
    """Choose what nobody chose.

    Args:
        resolved: the configuration, and where its values come from.
        facts: its model.
        device: what it runs on.
        length: tokens of a full row.
        data: how much data there is; None while that isn't known.
    """
    reasons: dict[str, str] = {}
    free = frozenset(key for key in CHOSEN_HERE if resolved.origin(key) == "default")
    config = resolved.config
    if "learning_rate" in free and config.method not in ADAPTERS and facts.parameters:
        rate = _usual_rate(facts, config)
        config = config.model_copy(update={"learning_rate": rate})
        reasons["learning_rate"] = f"suits a model of {amount(facts.parameters)} weights, all of them trained"
    config = _with_length_of_training(config, free, data, reasons)
    config = _with_batch(config, free, facts, device, length, reasons)
    if data is not None:
        config = _with_points(config, resolved, data, reasons)
    notices = _notices(config, resolved, facts, data)
    return Choices(config, {key: why for key, why in reasons.items() if key in free or key == "logging_steps"}, notices)


def _usual_rate(facts: ModelFacts, config: RunConfig) -> float:
    share = PREFERENCE_SHARE.get(config.task, 1.0)
    if config.method in ADAPTERS:
        return 2e-4 * share
    return next(rate for limit, rate in _RATES if (facts.parameters or 0) < limit) * share


def _with_length_of_training(
    config: RunConfig, free: frozenset[str], data: Amount | None, reasons: dict[str, str]
) -> RunConfig:
    """Rows of an update, and epochs: the most rows that leave enough updates in not too many epochs."""
    batch, accumulation = config.per_device_train_batch_size, config.gradient_accumulation_steps
    processes = processes_of(config)
    batch_is_free = "per_device_train_batch_size" in free
    accumulation_is_free = "gradient_accumulation_steps" in free
    if not (batch_is_free or accumulation_is_free):
        effective = [batch * accumulation * processes]
    else:
        # What one of the two was set to, and the number of processes, the product is a multiple of.
        unit = 1 if batch_is_free and accumulation_is_free else accumulation if batch_is_free else batch
        unit *= processes
        effective = [unit * n for n in (16, 8, 4, 2, 1) if unit * n <= max(USUAL_ROWS, unit)]
    rows, epochs = effective[0], config.num_train_epochs
    if data is not None:
        for rows in effective:
            per_epoch = math.ceil(data.rows / rows)
            needed = math.ceil(ENOUGH_UPDATES / per_epoch)
            if config.max_steps > 0:
                if config.max_steps <= MOST_EPOCHS * per_epoch:
                    break
            elif "num_train_epochs" not in free:
                if needed <= config.num_train_epochs:
                    break
            elif needed <= MOST_EPOCHS:
                break
        if "num_train_epochs" in free and config.max_steps <= 0:
            epochs = float(min(max(3, math.ceil(ENOUGH_UPDATES / math.ceil(data.rows / rows))), MOST_EPOCHS_OF_FEW))
            reasons["num_train_epochs"] = f"{data.words()}; {ENOUGH_UPDATES} updates or more teach something"
        if batch_is_free or accumulation_is_free:
            reasons["gradient_accumulation_steps"] = f"{data.words()}, so {rows} of them make an update"
    changes: dict[str, object] = {"num_train_epochs": epochs}
    if batch_is_free:
        each = rows // processes
        changes["per_device_train_batch_size"] = max(1, each // (1 if accumulation_is_free else accumulation))
    if accumulation_is_free:
        changes["gradient_accumulation_steps"] = 1 if batch_is_free else max(1, rows // processes // batch)
    return config.model_copy(update=changes)


def _with_batch(
    config: RunConfig,
    free: frozenset[str],
    facts: ModelFacts,
    device: DeviceFacts,
    length: int,
    reasons: dict[str, str],
) -> RunConfig:
    """The largest micro-batch that fits, the rows of an update kept by accumulation."""
    usable, fewer_at_once = int(device.free * USABLE), config
    can_split = "per_device_train_batch_size" in free and "gradient_accumulation_steps" in free
    rows = config.per_device_train_batch_size
    batches = [n for n in (rows, *_powers_below(rows)) if n <= LARGEST_BATCH and rows % n == 0] if can_split else [rows]
    batches = [n for n in batches if n > 1] or batches if config.task == "kto" else batches
    may_checkpoint = "gradient_checkpointing" in free and config.gradient_checkpointing is None
    tries = [(n, config.gradient_checkpointing) for n in batches]
    tries += [(n, True) for n in batches] if may_checkpoint else []
    for batch, checkpointing in tries:
        changes: dict[str, object] = {
            "per_device_train_batch_size": batch,
            "gradient_checkpointing": checkpointing,
        }
        if can_split:
            changes["gradient_accumulation_steps"] = rows // batch
        if "per_device_eval_batch_size" in free:
            changes["per_device_eval_batch_size"] = batch
        fewer_at_once = config.model_copy(update=changes)
        if facts.parameters is None:
            break
        needed = peak(fewer_at_once, facts, load_of(fewer_at_once, facts, device), device, length)["total"]
        if needed <= usable:
            if batch < min(rows, LARGEST_BATCH):
                reasons["per_device_train_batch_size"] = f"the most that fit into the {size(usable)} that are usable"
            if checkpointing and may_checkpoint:
                reasons["gradient_checkpointing"] = f"without it, not even {batch} rows fit into {size(usable)}"
            break
    if "per_device_train_batch_size" in free and "per_device_train_batch_size" not in reasons:
        reasons["per_device_train_batch_size"] = "more rows at once make hardly better use of a device"
    return fewer_at_once


def _powers_below(number: int) -> list[int]:
    return [2**n for n in range(number.bit_length(), -1, -1) if 2**n < number]


def _with_points(config: RunConfig, resolved: Resolved, data: Amount, reasons: dict[str, str]) -> RunConfig:
    """Enough points on every curve. What a model's folder says of them is meant for data of the usual size."""
    updates = count_steps(data.rows, config)
    changes: dict[str, object] = {}
    finest = max(1, updates // POINTS)
    if resolved.origin("logging_steps") == "default":
        changes["logging_steps"] = min(USUAL_LOGGING, finest)
        reasons["logging_steps"] = f"{math.ceil(updates / min(USUAL_LOGGING, finest))} points on the curve"
    elif resolved.origin("logging_steps") == "model" and finest < config.logging_steps:
        changes["logging_steps"] = finest
        reasons["logging_steps"] = f"{math.ceil(updates / finest)} points on the curve"
    if config.eval_strategy == "steps" and config.eval_steps is None:
        changes["eval_steps"] = max(1, updates // 10)
        reasons["eval_steps"] = "ten evaluations in the run"
    return config.model_copy(update=changes)


def _notices(config: RunConfig, resolved: Resolved, facts: ModelFacts, data: Amount | None) -> tuple[Notice, ...]:
    """What should be known before such a run is started, with what is proposed."""
    found = []
    if data is not None:
        updates = count_steps(data.rows, config)
        if updates < FEW_UPDATES:
            per_epoch = steps_per_epoch(data.rows, config)
            epochs = math.ceil(ENOUGH_UPDATES / per_epoch)
            key = "max_steps" if config.max_steps > 0 else "num_train_epochs"
            value = ENOUGH_UPDATES if config.max_steps > 0 else epochs
            found.append(
                Notice(
                    "warning",
                    f"The run has only {updates} updates of the weights; it may learn nothing.",
                    f"set {key}: {value}, or fewer rows an update",
                    key,
                )
            )
        if config.eval_strategy != "no" and data.eval_rows is not None and 0 < data.eval_rows < FEW_EVALUATED:
            found.append(
                Notice(
                    "warning",
                    f"Only {data.eval_rows} rows are held out for evaluation, so its loss is mostly chance.",
                    "set a larger validation_split, or validation_split: 0 to train on all rows",
                    "validation_split",
                )
            )
    suited = settings()["learning_rate"]
    if facts.parameters and resolved.origin("learning_rate") in {"flag", "file", "form"}:
        usual = _usual_rate(facts, config)
        ratio = config.learning_rate / usual
        if ratio >= FAR_OFF or ratio <= 1 / FAR_OFF:
            far = "higher" if ratio > 1 else "lower"
            found.append(
                Notice(
                    "warning",
                    f"The learning rate {suited.show(config.learning_rate)} is {max(ratio, 1 / ratio):,.0f} times {far} than "
                    "what suits such a model.",
                    f"set learning_rate: {suited.show(usual)}",
                    "learning_rate",
                )
            )
    return tuple(found)
