"""Estimates: the formulas against what really happens, and the devices they are made for."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from tui_finetune.config.schema import RunConfig
from tui_finetune.errors import UserError
from tui_finetune.models.devices import DeviceFacts, best_device, cpu_facts, device_facts, resolve_precision
from tui_finetune.models.facts import ModelFacts, facts_from
from tui_finetune.planning.estimate import Estimate, estimate

GPU = DeviceFacts("GPU", "cuda", 24 * 10**9, 23 * 10**9, 1, bf16_good=True)
OLD_GPU = DeviceFacts("old GPU", "cuda", 8 * 10**9, 8 * 10**9, 1, bf16_good=False)
CPU = DeviceFacts("CPU", "cpu", 16 * 10**9, 8 * 10**9, 2, bf16_good=False)
MAC = DeviceFacts("Mac", "mps", 16 * 10**9, 12 * 10**9, 1, bf16_good=False)
SMALL = ModelFacts(
    "small",
    parameters=1_000_000,
    context_length=512,
    vocab_size=2000,
    hidden_size=128,
    intermediate_size=512,
    layers=4,
    heads=4,
)


def saved_bytes(model, ids):
    """Bytes that autograd keeps for the backward pass, beside the parameters."""
    parameters = {p.untyped_storage().data_ptr() for p in model.parameters()}
    seen = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in parameters:
            seen[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = model.train()(input_ids=ids, labels=ids, use_cache=False).loss
    assert loss.requires_grad
    return sum(seen.values())


@pytest.mark.parametrize(("hidden", "wide", "layers"), [(64, 128, 2), (64, 256, 4), (128, 352, 3)])
def test_activations_are_what_autograd_keeps_for_a_llama(hidden: int, wide: int, layers: int) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        hidden_size=hidden,
        intermediate_size=wide,
        num_hidden_layers=layers,
        vocab_size=32,
        num_attention_heads=4,
        num_key_value_heads=4,
    )
    kept = saved_bytes(LlamaForCausalLM(config), torch.zeros(1, 256, dtype=torch.long))
    run = RunConfig(max_length=256, per_device_train_batch_size=1, validation_split=0)
    facts = facts_from("x", config.to_dict())
    assert estimate(run, facts, device=CPU).memory["activations"] == pytest.approx(kept, rel=0.15)


def test_parts_of_the_memory_add_up_and_follow_the_settings() -> None:
    plain = estimate(RunConfig(), SMALL, device=CPU)
    assert plain.memory["total"] == sum(size for part, size in plain.memory.items() if part != "total")
    assert plain.memory["weights"] == plain.memory["gradients"] == 4_000_000
    assert plain.memory["optimizer"] == 8_000_000
    assert estimate(RunConfig(optim="sgd"), SMALL, device=CPU).memory["optimizer"] == 0
    smaller = [
        estimate(RunConfig(**change), SMALL, device=CPU).memory["activations"]
        for change in ({"per_device_train_batch_size": 4}, {"max_length": 256}, {"gradient_checkpointing": True})
    ]
    assert max(smaller) < plain.memory["activations"]
    assert smaller[0] == smaller[1]
    assert estimate(RunConfig(), SMALL, device=GPU).memory["activations"] < plain.memory["activations"]


def test_one_margin_is_counted_and_said() -> None:
    found = estimate(RunConfig(), SMALL, device=GPU)
    assert found.usable == int(0.95 * GPU.free)
    tight = replace(GPU, free=int(found.needed / 0.95) + 2)
    assert estimate(RunConfig(), SMALL, device=tight).fits
    assert not estimate(RunConfig(), SMALL, device=replace(GPU, free=found.needed)).fits
    assert "95% of the" in found.memory_words()


def test_a_row_is_no_longer_than_what_the_model_sees() -> None:
    limit = SMALL.context_length
    assert limit is not None
    assert estimate(RunConfig(max_length=10 * limit), SMALL, device=CPU) == estimate(
        RunConfig(max_length=limit), SMALL, device=CPU
    )


def test_a_model_too_large_for_the_device_does_not_fit() -> None:
    large = ModelFacts(
        "large", parameters=7 * 10**9, vocab_size=32000, hidden_size=4096, layers=32, context_length=4096
    )
    assert not estimate(RunConfig(), large, device=GPU).fits
    assert estimate(RunConfig(), SMALL, device=GPU).fits


@pytest.mark.parametrize(
    ("settings", "steps"),
    [
        # 90 documents of 100 tokens are left to train on: 9,000 tokens, 36 rows of 256, 5 batches, 3 steps.
        ({}, 9),
        ({"num_train_epochs": 1.5}, 5),
        ({"max_steps": 7}, 7),
        ({"packing": False}, 18),
        ({"packing": False, "validation_split": 20}, 15),
        ({"per_device_train_batch_size": 1, "gradient_accumulation_steps": 1}, 108),
    ],
)
def test_steps_are_counted_as_trainer_does(settings: dict[str, Any], steps: int) -> None:
    config = RunConfig(max_length=256, **settings)
    assert estimate(config, SMALL, device=CPU, tokens=10_000, rows=100).steps == steps


def test_time_grows_with_the_work_and_shrinks_with_speed() -> None:
    def seconds(speed=1e9, **settings):
        return estimate(RunConfig(**settings), SMALL, device=CPU, tokens=10**6, rows=1000, speed=speed).seconds

    assert seconds(num_train_epochs=6) == pytest.approx(2 * seconds(), rel=0.01)
    assert seconds(speed=2e9) == pytest.approx(seconds() / 2, rel=0.01)
    assert seconds(packing=False, padding="max_length", max_length=512) > seconds(packing=False, max_length=512)


def test_of_several_processes_the_memory_is_that_of_one_and_the_time_is_shared_by_gpus() -> None:
    def of(device: DeviceFacts, processes: int) -> Estimate:
        config = RunConfig(num_processes=processes, gradient_accumulation_steps=8 // processes)
        return estimate(config, SMALL, device=device, tokens=10**6, rows=1000, speed=1e12)

    alone, each = of(GPU, 1), of(GPU, 4)
    assert each.steps == alone.steps
    assert each.seconds == pytest.approx((alone.seconds or 0) / 4, rel=0.05)
    assert each.needed > alone.needed  # what gradients are averaged in
    assert (each.available, of(CPU, 4).available) == (GPU.free, CPU.free // 4)
    assert of(CPU, 4).seconds == pytest.approx(of(CPU, 1).seconds, rel=0.05)


def test_what_is_not_known_is_said() -> None:
    nothing = estimate(RunConfig(), SMALL, device=CPU)
    assert nothing.steps is None
    assert nothing.seconds is None
    assert len(nothing.assumptions) == 2
    with pytest.raises(UserError, match="size of strange"):
        estimate(RunConfig(), ModelFacts("strange"), device=CPU)


def test_estimate_gives_the_promised_keys() -> None:
    promised = {
        "parameters",
        "trained_parameters",
        "memory",
        "available",
        "fits",
        "steps",
        "seconds",
        "disk",
    }
    assert promised <= estimate(RunConfig(), SMALL, device=CPU).to_json().keys()


@pytest.mark.parametrize(
    ("asked", "device", "used", "told"),
    [
        ("auto", GPU, "bf16", False),
        ("auto", OLD_GPU, "fp32", False),
        ("auto", CPU, "fp32", False),
        ("auto", MAC, "fp32", False),
        ("fp16", CPU, "fp32", True),
        ("fp16", OLD_GPU, "fp16", False),
        ("fp16", MAC, "fp32", True),
        ("bf16", CPU, "bf16", True),
        ("bf16", GPU, "bf16", False),
        ("fp32", GPU, "fp32", False),
    ],
)
def test_precision_suits_the_device_and_a_change_is_told(asked: str, device: Any, used: str, told: bool) -> None:
    precision, notice = resolve_precision(asked, device)
    assert precision == used
    assert (notice is not None) is told


def test_the_device_is_described() -> None:
    facts = device_facts()
    assert facts.kind == best_device()
    assert 0 < facts.free <= facts.total
    assert cpu_facts().count >= 1
    assert cpu_facts().name
