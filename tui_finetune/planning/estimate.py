"""What a run will take: memory, time and disk, computed from shapes before anything is loaded. No torch.

The formulas, in bytes. Those of the activations were fitted to what autograd keeps for Llama and GPT-2 models of
several shapes (torch 2.13, saved_tensors_hooks), those of the logits to the peak memory of a step.

weights       4 for each parameter (fp32), and 2 more under autocast, which keeps a copy in half precision
gradients     4 for each trained parameter
optimizer     8 for each trained parameter with AdamW (two moments in fp32), 4 / hidden size x 2 with Adafactor (rows and
              columns of the second moment), none with SGD
activations   for each token of a batch and each layer 40 x hidden + 16 x feed-forward in fp32, 34 x hidden + 8 x
              feed-forward in half precision; with attention dropout on a CPU, which then keeps the attention matrices,
              12 x heads x tokens of a row more; with gradient checkpointing only one layer's at a time, and 4 x hidden
              for each layer. Beside them 12 for each logit, of which there are tokens x vocabulary: the logits, their
              log-softmax and its gradient. In small models these are the most by far.
libraries     what torch and the others take by themselves

Time follows from the usual count of operations: 6 for each parameter and token (2 forward, 4 backward), 8 with gradient
checkpointing, 2 in evaluation, and 6 x layers x hidden x tokens of a row for attention over the half that is visible.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import Any

from tui_finetune.config.schema import RunConfig
from tui_finetune.errors import UserError
from tui_finetune.models.devices import DeviceFacts, resolve_precision
from tui_finetune.models.facts import ModelFacts

LIBRARIES = {"cpu": 600_000_000, "cuda": 700_000_000, "mps": 300_000_000}
USABLE = 0.95
"""Share of the free memory that can be filled before fragments of it get in the way."""

ASSUMED_SPEED = {"cpu": 25e9, "cuda": 60e12, "mps": 4e12}
"""Operations a second that matrix products reach, for each core of a CPU, where nothing was measured."""

_DEFAULT_LENGTH = 1024


@dataclass(frozen=True)
class Estimate:
    """What a run will take. None where it can't be known from what was given.

    Attributes:
        memory: bytes by part, and their 'total'.
        available: bytes that are free on the device.
        steps: updates of the weights, in all epochs.
        seconds: training and evaluation together.
        disk: bytes of all checkpoints that are kept, of one more being written, and of the final model.
        assumptions: what was taken for granted, in words.
    """

    parameters: int
    trained_parameters: int
    memory: dict[str, int]
    available: int
    fits: bool
    steps: int | None
    seconds: float | None
    disk: int
    assumptions: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def _optimizer_bytes(optim: str, parameters: int, hidden: int) -> int:
    if optim.startswith("adamw"):
        return 8 * parameters
    return int(8 * parameters / hidden) if optim == "adafactor" else 0


def _activation_bytes(facts: ModelFacts, config: RunConfig, rows: int, length: int, *, half: bool, cpu: bool) -> int:
    hidden, layers = facts.hidden_size or 0, facts.layers or 0
    wide = facts.intermediate_size or 4 * hidden
    per_token = 34 * hidden + 8 * wide if half else 40 * hidden + 16 * wide
    if facts.attention_dropout and cpu:
        per_token += 12 * (facts.heads or 1) * length
    kept = layers * 4 * hidden + per_token if config.gradient_checkpointing else layers * per_token
    return rows * length * (kept + 12 * (facts.vocab_size or 0))


def row_length(config: RunConfig, facts: ModelFacts) -> int:
    """Tokens in a full training row."""
    return config.max_length or min(facts.context_length or _DEFAULT_LENGTH, _DEFAULT_LENGTH)


def _counts(
    config: RunConfig, length: int, tokens: int | None, rows: int | None
) -> tuple[int | None, int | None, int | None]:
    """Training rows, tokens computed in an epoch of training, and in one evaluation."""
    if tokens is None or rows is None:
        return None, None, None
    aside = config.validation_split if config.validation_split < 1 else config.validation_split / max(rows, 1)
    train = max(0.0, 1 - aside)
    if config.packing:
        made = math.ceil(tokens * train / length)
    elif config.excess_length_strategy == "split":
        made = max(math.ceil(rows * train), math.ceil(tokens * train / length))
    else:
        made = math.ceil(rows * train)
    computed = tokens * train
    if config.packing or config.padding == "max_length":
        computed = made * length
    return made, int(computed), int(tokens * aside)


def _steps(config: RunConfig, rows: int | None) -> tuple[int | None, float | None]:
    """Updates of the weights, and the epochs that they make, as Trainer counts them."""
    per_epoch = None
    if rows is not None:
        batches = math.ceil(rows / config.per_device_train_batch_size)
        per_epoch = max(1, math.ceil(batches / config.gradient_accumulation_steps))
    if config.max_steps > 0:
        return config.max_steps, config.max_steps / per_epoch if per_epoch else None
    if per_epoch is None:
        return None, None
    return math.ceil(config.num_train_epochs * per_epoch), config.num_train_epochs


def estimate(
    config: RunConfig,
    facts: ModelFacts,
    *,
    device: DeviceFacts,
    tokens: int | None = None,
    rows: int | None = None,
    speed: float | None = None,
) -> Estimate:
    """What a run will take.

    Args:
        config: its settings.
        facts: its model.
        device: what it runs on.
        tokens: of the whole data set, before some is kept aside for evaluation.
        rows: documents of the whole data set.
        speed: operations a second that matrix products reach on the device (`devices.measure_speed`); assumed if left
            out.

    Raises:
        UserError: the size of the model isn't known.
    """
    if facts.parameters is None:
        raise UserError(
            f"the size of {facts.name} can't be told from its config.json", "choose another model", "model_name_or_path"
        )
    count, hidden = facts.parameters, facts.hidden_size or 1
    half = resolve_precision(config.precision, device)[0] != "fp32"
    length = row_length(config, facts)
    # Evaluation makes logits too, but keeps nothing for a backward pass.
    evaluation = config.per_device_eval_batch_size * length * 10 * (facts.vocab_size or 0)
    training = _activation_bytes(
        facts, config, config.per_device_train_batch_size, length, half=half, cpu=device.kind == "cpu"
    )
    memory = {
        "weights": (6 if half else 4) * count,
        "gradients": 4 * count,
        "optimizer": _optimizer_bytes(config.optim, count, hidden),
        "activations": max(training, evaluation if config.validation_split else 0),
        "libraries": LIBRARIES[device.kind],
    }
    memory["total"] = sum(memory.values())

    made, computed, evaluated = _counts(config, length, tokens, rows)
    steps, epochs = _steps(config, made)
    assumptions = []
    if speed is None:
        speed = ASSUMED_SPEED[device.kind] * (device.count if device.kind == "cpu" else 1)
        assumptions.append(f"the device computes {speed / 1e9:,.0f} billion operations a second; not measured")
    if steps is None:
        assumptions.append("the data set was not read, so the number of steps and the time are not known")
    seconds = None
    if computed is None and steps is not None:
        effective = config.per_device_train_batch_size * config.gradient_accumulation_steps
        computed, evaluated, epochs = steps * effective * length, 0, 1.0
        assumptions.append("every row is full")
    if computed is not None and epochs is not None:
        # The table of input embeddings is looked up, not multiplied with, unless it is the output layer as well.
        multiplied = count if facts.tied else count - hidden * (facts.vocab_size or 0)
        attention = (facts.layers or 0) * hidden * length
        train_cost = (8 if config.gradient_checkpointing else 6) * (multiplied + attention)
        evaluations = _evaluations(config, steps or 0, epochs) if evaluated else 0
        operations = computed * epochs * train_cost + (evaluated or 0) * evaluations * 2 * (multiplied + attention)
        # Small matrices keep a device less busy: 0.2 of its speed at a hidden size of 160, 0.4 at 512 (measured on two
        # cores with a Llama), toward 0.6 in large models.
        seconds = round(operations / (speed * 0.6 * hidden / (hidden + 256)), 1)

    checkpoint = 4 * count + _optimizer_bytes(config.optim, count, hidden)
    kept = max(2, config.save_total_limit) + 2
    return Estimate(
        parameters=count,
        trained_parameters=count,
        memory=memory,
        available=device.free,
        fits=memory["total"] <= device.free * USABLE,
        steps=steps,
        seconds=seconds,
        disk=kept * checkpoint + 4 * count,
        assumptions=assumptions,
    )


def _evaluations(config: RunConfig, steps: int, epochs: float) -> float:
    if config.eval_strategy == "no":
        return 0
    if config.eval_strategy == "epoch":
        return math.ceil(epochs)
    return steps // (config.eval_steps or config.logging_steps)
