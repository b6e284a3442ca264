"""Optimizers and schedules: each learns, ends where it says, and is resumed bitwise."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.training.conftest import Train
from tui_finetune.config.schema import RunConfig
from tui_finetune.training.optimizers import Lion, MuonWithAdamW, schedule_options

STEPS = {
    "max_steps": 6,
    "eval_strategy": "no",
    "save_strategy": "steps",
    "save_steps": 3,
}


@pytest.mark.parametrize(
    "settings",
    [
        {"optim": "lion", "learning_rate": 2e-3},
        {"optim": "muon"},
        {"optim": "adamw_8bit"},
        {"optim": "adafactor", "lr_scheduler_type": "cosine_with_min_lr"},
        {"optim": "sgd", "lr_scheduler_type": "warmup_stable_decay", "warmup_steps": 2},
        {"precision": "pure_bf16", "adam_beta2": 0.95},
    ],
    ids=lambda settings: settings.get("optim", "pure_bf16"),
)
def test_each_is_resumed_bitwise(train: Train, settings: dict[str, Any]) -> None:
    if settings.get("optim") == "adamw_8bit":
        pytest.importorskip("bitsandbytes")
    whole = train("whole", **STEPS, **settings)
    assert whole.outcome.status == "finished", whole.outcome.error
    half = train("half", at={3: lambda run: run.request("stop")}, **STEPS, **settings)
    assert half.outcome.status == "stopped"
    rest = train("half", resume=True)
    assert rest.outcome.status == "finished", rest.outcome.error
    assert rest.losses() == whole.losses()
    weights = [(run.run.checkpoints_dir / "checkpoint-6" / "model.safetensors").read_bytes() for run in (whole, rest)]
    assert weights[0] == weights[1]
    assert whole.losses()[-1][1] < whole.losses()[0][1] or settings.get("optim") == "sgd"


def test_lion_moves_each_weight_by_its_rate() -> None:
    weights = torch.nn.Parameter(torch.zeros(3))
    optimizer = Lion([{"params": [weights], "weight_decay": 0.0}], lr=0.1, betas=(0.9, 0.99))
    weights.grad = torch.tensor([1.0, -2.0, 0.0])
    optimizer.step()
    assert weights.detach().tolist() == pytest.approx([-0.1, 0.1, 0.0])
    assert optimizer.state[weights]["mean"].tolist() == pytest.approx([0.01, -0.02, 0.0])


def test_muon_takes_the_matrices_of_the_layers_only() -> None:
    embedding, matrix, norm = (torch.nn.Parameter(torch.ones(size)) for size in ((5, 4), (4, 4), (4,)))
    optimizer = MuonWithAdamW(
        [{"params": [embedding, matrix], "weight_decay": 0.1}, {"params": [norm], "weight_decay": 0.0}],
        apart=frozenset({id(embedding)}),
    )
    for weights in (embedding, matrix, norm):
        weights.grad = torch.rand_like(weights)
    optimizer.step()
    states = [set(optimizer.state[weights]) for weights in (embedding, matrix, norm)]
    assert states == [{"step", "exp_avg", "exp_avg_sq"}, {"momentum_buffer"}, {"step", "exp_avg", "exp_avg_sq"}]
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.1, 0.1, 0.0]


def test_schedules_end_where_they_say() -> None:
    assert schedule_options(RunConfig(lr_scheduler_type="cosine_with_min_lr", min_lr_rate=0.2), 100) == {
        "min_lr_rate": 0.2
    }
    stable = RunConfig(lr_scheduler_type="warmup_stable_decay", warmup_steps=0.1)
    assert schedule_options(stable, 100) == {"num_decay_steps": 20, "min_lr_ratio": 0.1}
    assert schedule_options(stable, 1)["num_decay_steps"] == 1
    assert schedule_options(RunConfig(), 100) == {}
