"""The most memory that a training takes at once, from shapes, before anything is loaded. No torch.

    peak = overhead + weights + optimizer + (gradients, where they stay from one micro-batch to the next)
         + max(activations + logits, gradients + what the embedding's gradient takes beside them, evaluation)

overhead      what torch and the other libraries take by themselves
weights       4 bytes each in fp32, 2 in bf16; under autocast 2 more for the copy of each that is multiplied with
gradients     as many bytes as the weights that are trained
optimizer     what the optimizer keeps for each trained weight (`optimizers.STATE_BYTES`)
activations   tokens of a micro-batch x layers x what autograd keeps for each (`activations.FAMILIES`); with gradient
              checkpointing the input of each layer, and one layer's activations at a time
logits        12 for each of tokens x vocabulary: the logits, their log-softmax and its gradient; where cross-entropy is
              computed in chunks, those of one chunk. In small models these are the most by far.

On a CPU the C library's allocator loses room in gaps as well; how much was fitted to eight runs of a small Llama, trained in
full in fp32 (tests/benchmarks/peak.py), of which it is then within 6 % but for one. The other combinations of that benchmark
are not measured.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from tui_finetune.config.schema import PAIRED, WITH_REFERENCE, RunConfig
from tui_finetune.models.activations import Family, Sizes, family_of, sizes_of, times
from tui_finetune.models.devices import DeviceFacts, Precision, resolve_precision
from tui_finetune.models.facts import ModelFacts
from tui_finetune.models.methods.choose import method_of
from tui_finetune.models.optimizers import state_bytes

OVERHEAD = {"cpu": 640_000_000, "cuda": 700_000_000, "mps": 300_000_000}

GAPS, MOST_GAPS = 0.15, 300_000_000
"""What is lost in gaps of the heap on a CPU: a share of what is kept, up to so many bytes, since large tensors are mapped by
themselves."""

USABLE = 0.95
"""The one margin: the share of the free memory that a run may need. The rest is lost in gaps between tensors."""

LOGIT_BYTES = 12
"""For each logit of a batch that is trained on."""

EVALUATED_LOGIT_BYTES = 10
"""For each logit of a batch that is evaluated."""

CHUNK_BYTES = 128_000_000
"""Bytes of the logits of a chunk, where cross-entropy is computed in chunks."""

CHUNKED_FROM = 500_000_000
"""Bytes of logits from which cross-entropy is computed in chunks where nobody chose."""

PARTS = ("weights", "reference", "gradients", "optimizer", "activations", "logits", "overhead")


@dataclass(frozen=True)
class Load:
    """What a method of fine-tuning puts on a device.

    Attributes:
        weights: bytes of all weights, those of an adapter included.
        trained: how many weights are trained.
        trained_bytes: bytes of each of these, and of its gradient.
        kept: bytes that autograd keeps for each token and layer.
        inputs: bytes of a layer's input for each token, which is all that is kept of it with gradient checkpointing.
        head_gradient: bytes of the gradient of the output layer; 0 where it is not trained.
        saved: bytes of the weights in a checkpoint.
        reference: bytes of the copy of the model as it was, where the task compares with it.
    """

    weights: int
    trained: int
    trained_bytes: int
    kept: float
    inputs: int
    head_gradient: int = 0
    saved: int = 0
    reference: int = 0

    @property
    def gradients(self) -> int:
        """Bytes of all gradients."""
        return self.trained * self.trained_bytes


def load_of(config: RunConfig, facts: ModelFacts, device: DeviceFacts) -> Load:
    """What training puts on a device with these settings."""
    load = _load_of(config, facts, device)
    # An adapter needs no copy: the model without it is the model as it was.
    compares = config.task in WITH_REFERENCE and not method_of(config).trains_adapter
    return replace(load, reference=load.weights) if compares and not config.precompute_ref_log_probs else load


def _load_of(config: RunConfig, facts: ModelFacts, device: DeviceFacts) -> Load:
    precision = resolve_precision(config.precision, device, facts)[0]
    method = method_of(config)
    weights, sizes, family = method.size(facts, precision), sizes_of(facts), family_of(facts)
    head = (facts.vocab_size or 0) * sizes.hidden
    if weights is None:
        return Load(0, 0, 4, 0.0, 0)
    if method.trains_adapter:
        kept = _kept_beside_adapter(config, family, sizes, precision)
        inputs = 4 if precision == "fp32" else 2
        return Load(weights.stored, weights.trained, 4, kept, inputs * sizes.hidden, saved=weights.saved)
    if precision == "pure_bf16":
        kept = times(family.bf16, sizes)
        return Load(weights.stored // 2, weights.trained, 2, kept, 2 * sizes.hidden, 2 * head, weights.saved // 2)
    if precision == "fp32":
        kept = times(family.fp32, sizes)
        return Load(weights.stored, weights.trained, 4, kept, 4 * sizes.hidden, 4 * head, weights.saved)
    # The table of input embeddings is looked up, not multiplied with, unless it is the output layer as well.
    copied = weights.base if facts.tied else weights.base - head
    stored = weights.stored + 2 * copied
    kept = times(family.autocast, sizes)
    return Load(stored, weights.trained, 4, kept, 4 * sizes.hidden, 4 * head, weights.saved)


def _kept_beside_adapter(config: RunConfig, family: Family, sizes: Sizes, precision: Precision) -> float:
    """Bytes that autograd keeps for each token and layer where an adapter is trained and the model is not."""
    hidden, wide, narrow = sizes.hidden, sizes.feed_forward, 28 * config.lora_r
    if precision == "fp32":
        kept = times(family.fp32, sizes) - 8 * hidden + narrow
        if config.lora_dropout:
            kept += 40 * hidden + 4 * wide
    else:
        # The model is in half precision, and autocast computes the adapter in it too.
        kept = times(family.bf16, sizes) + 4 * hidden + narrow / 2
        if config.lora_dropout:
            kept += 20 * hidden + 2 * wide
    if config.use_dora:
        share = 1.0 if precision == "fp32" else 0.5
        kept += share * (24 * hidden + 16 * sizes.keys + 16 * wide)
    return kept


def computes_in_chunks(config: RunConfig, facts: ModelFacts, tokens: int) -> bool:
    """Whether cross-entropy is computed in chunks.

    Args:
        config: the run's settings.
        facts: its model.
        tokens: of a micro-batch.
    """
    if config.chunked_cross_entropy is not None:
        return config.chunked_cross_entropy
    return LOGIT_BYTES * tokens * (facts.vocab_size or 0) >= CHUNKED_FROM


def chunk_tokens(vocabulary: int) -> int:
    """Tokens of a chunk, where cross-entropy is computed in chunks."""
    return max(64, CHUNK_BYTES // (LOGIT_BYTES * max(vocabulary, 1)) // 64 * 64)


def peak(config: RunConfig, facts: ModelFacts, load: Load, device: DeviceFacts, length: int) -> dict[str, int]:
    """Bytes at the moment that takes the most, by part (PARTS), and their total.

    Args:
        config: the run's settings.
        facts: its model.
        load: what the method puts on the device.
        device: what it runs on.
        length: tokens of a full row.
    """
    sizes, vocabulary = sizes_of(facts), facts.vocab_size or 0
    replies = 2 if config.task in PAIRED else 1
    tokens = config.per_device_train_batch_size * length * replies
    # TRL computes the logits of replies in chunks too, but for ORPO.
    chunked = config.task in WITH_REFERENCE or computes_in_chunks(config, facts, tokens)
    logits = LOGIT_BYTES * vocabulary * (min(tokens, chunk_tokens(vocabulary)) if chunked else tokens)
    if chunked:
        # The gradient of the output layer grows from chunk to chunk: the sum so far, and that of one chunk.
        logits += 2 * load.head_gradient
    kept, gradients = _kept(config, facts, load, device, length) * tokens, load.gradients
    stays = gradients if config.gradient_accumulation_steps > 1 else 0
    one_layer = kept / max(sizes.layers, 1) if config.gradient_checkpointing else 0
    inputs = load.inputs * sizes.layers * tokens if config.gradient_checkpointing else kept
    evaluated = config.per_device_eval_batch_size * length * replies
    moments = [
        (stays, inputs, logits),
        (gradients, inputs + one_layer, 0) if config.gradient_checkpointing else (gradients, 0, 0),
        (gradients, 0, 2 * load.head_gradient),
    ]
    if config.validation_split and config.eval_strategy != "no":
        chunk = min(evaluated, chunk_tokens(vocabulary)) if chunked else evaluated
        moments.append((0, 0, EVALUATED_LOGIT_BYTES * vocabulary * chunk))
    at_once = max(moments, key=sum)
    embeddings = load.head_gradient // load.trained_bytes
    memory = {
        "weights": load.weights,
        "reference": load.reference,
        "gradients": int(at_once[0]),
        "optimizer": state_bytes(config.optim, load.trained, load.trained_bytes, sizes.hidden, embeddings),
        "activations": int(at_once[1]),
        "logits": int(at_once[2]),
    }
    return _with_overhead(memory, device)


def _with_overhead(memory: dict[str, int], device: DeviceFacts) -> dict[str, int]:
    gaps = min(GAPS * sum(memory.values()), MOST_GAPS) if device.kind == "cpu" else 0
    memory = memory | {"overhead": OVERHEAD[device.kind] + int(gaps)}
    return memory | {"total": sum(memory.values())}


def peak_of_check(config: RunConfig, facts: ModelFacts, load: Load, device: DeviceFacts, length: int) -> int:
    """Bytes that the check before training takes: one micro-batch, before there is an optimizer. Arguments as for `peak`."""
    alone = config.model_copy(update={"gradient_accumulation_steps": 1, "eval_strategy": "no"})
    parts = peak(alone, facts, load, device, length)
    kept = {part: parts[part] for part in PARTS if part not in {"optimizer", "overhead"}}
    return _with_overhead(kept, device)["total"]


def disk_bytes(config: RunConfig, load: Load, optimizer: int) -> tuple[int, int]:
    """Bytes of a checkpoint, and of all that a run has on the disk at once: the checkpoints that are kept, one more that is
    being written, and the final model.

    Args:
        config: the run's settings.
        load: what the method puts on the device.
        optimizer: bytes that the optimizer keeps.
    """
    checkpoint = load.saved + (0 if config.save_only_model else optimizer)
    return checkpoint, (max(2, config.save_total_limit) + 2) * checkpoint + load.saved


def _kept(config: RunConfig, facts: ModelFacts, load: Load, device: DeviceFacts, length: int) -> float:
    """Bytes that autograd keeps for each token in all layers."""
    sizes = sizes_of(facts)
    kept = load.kept
    if facts.attention_dropout and device.kind == "cpu":
        # With dropout, attention on a CPU keeps its matrices; a GPU computes them anew.
        kept += 12 * (facts.heads or 1) * length + 16 * sizes.hidden
    return kept * sizes.layers
