"""What a run will take: memory, time and disk, computed from shapes before anything is loaded. No torch.

The formula of the memory is in models/memory.py.

Time follows from the usual count of operations: 6 for each parameter and token (2 forward, 4 backward), 8 with gradient
checkpointing, 2 in evaluation, and 6 x layers x hidden x tokens of a row for attention over the half that is visible.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, replace

from tui_finetune.config.schema import RunConfig
from tui_finetune.config.steps import count_steps, processes_of, rows_per_update, steps_per_epoch
from tui_finetune.errors import UserError
from tui_finetune.formatting import size
from tui_finetune.models.devices import DeviceFacts
from tui_finetune.models.facts import ModelFacts, row_length
from tui_finetune.models.memory import USABLE, disk_bytes, load_of, peak
from tui_finetune.runs.events import CheckEvent

ASSUMED_SPEED = {"cpu": 25e9, "cuda": 60e12, "mps": 4e12}
"""Operations a second that matrix products reach, for each core of a CPU, where nothing was measured."""

EXACT = ("weights", "gradients", "optimizer")
"""The parts of the memory that follow from the shapes of the weights alone."""


@dataclass(frozen=True)
class Estimate:
    """What a run will take. None where it can't be known from what was given.

    Attributes:
        memory: bytes by part, and their 'total'.
        available: bytes that are free on the device.
        usable: bytes of these that a run may need, by the margin `USABLE`; where it needs no more, it fits.
        steps: updates of the weights, in all epochs.
        seconds: training and evaluation together.
        disk: bytes of all checkpoints that are kept, of one more being written, and of the final model.
        training_seconds: training alone.
        measured: whether memory and time are corrected by the check before training.
        assumptions: what was taken for granted, in words.
    """

    parameters: int
    trained_parameters: int
    memory: dict[str, int]
    available: int
    usable: int
    fits: bool
    steps: int | None
    seconds: float | None
    disk: int
    assumptions: list[str] = field(default_factory=list)
    training_seconds: float | None = None
    measured: bool = False

    def to_json(self) -> dict[str, object]:
        return asdict(self)

    @property
    def needed(self) -> int:
        """Bytes of memory altogether."""
        return self.memory["total"]

    def memory_words(self) -> str:
        """What it needs and what there is, in words; the same ones everywhere."""
        room = f"{size(self.usable)} are usable ({USABLE:.0%} of the {size(self.available)} that are free)"
        return f"needs {'' if self.measured else 'about '}{size(self.needed)}, {room}"

    def corrected(self, checked: CheckEvent) -> Estimate:
        """The same with what the check before training measured in the place of what was computed. What of the memory is
        known exactly stays, the other parts are made larger or smaller alike."""
        seconds, memory = self.seconds, self.memory
        if checked.training_seconds is not None and seconds is not None and self.training_seconds:
            seconds = round(seconds * checked.training_seconds / self.training_seconds, 1)
        if checked.needed is not None:
            exact = sum(memory[part] for part in EXACT)
            factor = max(0.0, checked.needed - exact) / max(self.needed - exact, 1)
            memory = {part: count if part in EXACT else int(count * factor) for part, count in memory.items()}
            memory["total"] = checked.needed
        training = checked.training_seconds or self.training_seconds
        fits = memory["total"] <= self.usable
        return replace(
            self,
            memory=memory,
            fits=fits,
            seconds=seconds,
            training_seconds=training,
            measured=True,
        )


def estimate(
    config: RunConfig,
    facts: ModelFacts,
    *,
    device: DeviceFacts,
    tokens: int | None = None,
    rows: int | None = None,
    train_rows: int | None = None,
    speed: float | None = None,
) -> Estimate:
    """What a run will take.

    Args:
        config: its settings. A max_length beyond the model's limit counts as the limit.
        facts: its model.
        device: what it runs on.
        tokens: of the whole data set, before some is kept aside for evaluation.
        rows: documents of the whole data set.
        train_rows: rows to train on, after packing; estimated from tokens and rows if left out.
        speed: operations a second that matrix products reach on the device (`devices.measure_speed`); assumed if left
            out.

    Raises:
        UserError: the size of the model isn't known.
    """
    if facts.parameters is None:
        raise UserError(
            f"the size of {facts.name} can't be told from its config.json", "choose another model", "model_name_or_path"
        )
    length = row_length(config.max_length, facts.context_length)
    length = min(length, facts.context_length or length)
    load = load_of(config, facts, device)
    memory = peak(config, facts, load, device, length)
    work = _work(config, length, tokens, rows, train_rows)
    assumptions = []
    if speed is None:
        speed = ASSUMED_SPEED[device.kind] * (device.count if device.kind == "cpu" else 1)
        assumptions.append(f"the device computes {speed / 1e9:,.0f} billion operations a second; not measured")
    if work.steps is None:
        assumptions.append("the data set was not read, so the number of steps and the time are not known")
    if work.all_full:
        assumptions.append("every row is full")
    free = device.free
    if (processes := processes_of(config)) > 1:
        free, speed = _of_each(memory, load.gradients, device, speed, processes)
        assumptions.append(f"memory is that of each of {processes} processes; the time to send gradients is left out")
    usable = int(free * USABLE)
    return Estimate(
        parameters=facts.parameters,
        trained_parameters=load.trained,
        memory=memory,
        available=free,
        usable=usable,
        fits=memory["total"] <= usable,
        steps=work.steps,
        seconds=_seconds(config, facts, facts.parameters, length, work, speed),
        disk=disk_bytes(config, load, memory["optimizer"])[1],
        assumptions=assumptions,
        training_seconds=_seconds(config, facts, facts.parameters, length, replace(work, evaluated=0), speed),
    )


def _of_each(
    memory: dict[str, int], gradients: int, device: DeviceFacts, speed: float, processes: int
) -> tuple[int, float]:
    """Bytes that are free for each of several processes, and the operations a second of all; what DDP averages gradients in,
    which is as large as they are, is added to the memory. On a CPU they share the machine's memory, and its cores."""
    memory["gradients"] += gradients
    memory["total"] += gradients
    return (device.free // processes, speed) if device.kind == "cpu" else (device.free, speed * processes)


@dataclass(frozen=True)
class _Work:
    """What is computed. None where it can't be known from what was given.

    Attributes:
        steps: updates of the weights, in all epochs.
        epochs: what they make.
        tokens: computed in an epoch of training.
        evaluated: tokens of one evaluation.
        all_full: nothing is known of the rows, so they are taken to be full; an epoch is then the whole run.
    """

    steps: int | None = None
    epochs: float | None = None
    tokens: int | None = None
    evaluated: int = 0
    all_full: bool = False


def _work(config: RunConfig, length: int, tokens: int | None, rows: int | None, train_rows: int | None) -> _Work:
    if tokens is None or rows is None:
        if config.max_steps <= 0:
            return _Work()
        return _Work(config.max_steps, 1.0, config.max_steps * rows_per_update(config) * length, all_full=True)
    aside = config.validation_split if config.validation_split < 1 else config.validation_split / max(rows, 1)
    train = max(0.0, 1 - aside)
    made = train_rows
    if made is None and config.packing:
        made = math.ceil(tokens * train / length)
    elif made is None:
        pieces = math.ceil(tokens * train / length) if config.excess_length_strategy == "split" else 0
        made = max(math.ceil(rows * train), pieces)
    full = config.packing or config.padding == "max_length"
    steps = count_steps(made, config)
    return _Work(
        steps=steps,
        epochs=steps / steps_per_epoch(made, config) if config.max_steps > 0 else config.num_train_epochs,
        tokens=made * length if full else int(tokens * train),
        evaluated=int(tokens * aside),
    )


def _seconds(
    config: RunConfig, facts: ModelFacts, parameters: int, length: int, work: _Work, speed: float
) -> float | None:
    """Training and evaluation together."""
    if work.tokens is None or work.epochs is None:
        return None
    hidden = facts.hidden_size or 1
    # The table of input embeddings is looked up, not multiplied with, unless it is the output layer as well.
    multiplied = parameters if facts.tied else parameters - hidden * (facts.vocab_size or 0)
    forward = 2 * (multiplied + (facts.layers or 0) * hidden * length)
    evaluations = _evaluations(config, work.steps or 0, work.epochs) if work.evaluated else 0
    passes = (4 if config.gradient_checkpointing else 3) + _ASIDE.get(config.task, 0)
    operations = work.tokens * work.epochs * forward * passes
    operations += work.evaluated * evaluations * forward
    # Small matrices keep a device less busy: 0.2 of its speed at a hidden size of 160, 0.4 at 512 (measured on two
    # cores with a Llama), toward 0.6 in large models.
    return round(operations / (speed * 0.6 * hidden / (hidden + 256)), 1)


_ASIDE = {"dpo": 1, "kto": 3}
"""Passes without gradients beside those of training: of the model as it was, and in kto of both with mismatched replies."""


def _evaluations(config: RunConfig, steps: int, epochs: float) -> float:
    if config.eval_strategy == "no":
        return 0
    if config.eval_strategy == "epoch":
        return math.ceil(epochs)
    every = config.eval_steps or config.logging_steps
    return int(steps // (math.ceil(every * steps) if every < 1 else every))
