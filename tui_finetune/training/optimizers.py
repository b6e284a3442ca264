"""Optimizers and schedules that Trainer doesn't have, or needs help with."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from typing import TYPE_CHECKING, cast

import torch
from torch.optim import AdamW, Muon, Optimizer

from tui_finetune.config.schema import RunConfig
from tui_finetune.errors import UserError
from tui_finetune.models.optimizers import QUANTIZED

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Groups = Iterable["dict[str, object]"]
"""Parameters with the settings that they share, as torch's optimizers take them."""

ClassAndOptions = tuple["type[Optimizer]", "dict[str, object]"]
"""As Trainer takes it: the class, and what it is made with besides the parameters."""


def check_optimizer(optim: str) -> None:
    """Raises UserError where an optimizer needs a package that is not installed."""
    if optim in QUANTIZED and find_spec("bitsandbytes") is None:
        raise UserError(
            f"optim {optim} needs the package bitsandbytes, which is not installed",
            'pip install "finetune-tui[quantization]", or set optim: adafactor, which takes even less memory',
            setting="optim",
        )


def optimizer_for(config: RunConfig, model: PreTrainedModel) -> ClassAndOptions | None:
    """The optimizer of a run where it is not one that Trainer makes by its name.

    Args:
        config: the run's settings.
        model: what it trains.
    """
    betas = (config.adam_beta1, config.adam_beta2)
    if config.optim == "lion":
        return Lion, {"lr": config.learning_rate, "betas": betas}
    if config.optim == "muon":
        embeddings = (model.get_input_embeddings(), model.get_output_embeddings())
        apart = frozenset(id(p) for module in embeddings if module is not None for p in module.parameters())
        more = {"betas": betas, "eps": config.adam_epsilon, "apart": apart}
        return MuonWithAdamW, {"lr": config.learning_rate, **more}
    return None


def schedule_options(config: RunConfig, steps: int) -> dict[str, object]:
    """What a schedule is made with besides the usual.

    Args:
        config: the run's settings.
        steps: of the whole run.
    """
    if config.lr_scheduler_type == "cosine_with_min_lr":
        return {"min_lr_rate": config.min_lr_rate}
    if config.lr_scheduler_type == "warmup_stable_decay":
        decay, warmup = (of if of >= 1 else math.ceil(of * steps) for of in (config.decay_steps, config.warmup_steps))
        return {"num_decay_steps": int(max(1, min(decay, steps - warmup))), "min_lr_ratio": config.min_lr_rate}
    return {}


class Lion(Optimizer):
    """Lion (Chen et al. 2023): each weight moves by the sign of a running mean of its gradients.

    Args:
        params: parameters or groups of them; a group may have a `weight_decay` of its own.
        lr: how far a weight moves in a step.
        betas: how much of the mean counts in an update, and how much of it is kept.
        weight_decay: as in AdamW, apart from the gradient.
    """

    def __init__(
        self,
        params: Groups,
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override] # no closure is used
        for group in self.param_groups:
            rate, (now, later) = group["lr"], group["betas"]
            for weights in group["params"]:
                if weights.grad is None:
                    continue
                state = self.state[weights]
                if not state:
                    state["mean"] = torch.zeros_like(weights)
                mean = state["mean"]
                weights.mul_(1 - rate * group["weight_decay"])
                weights.add_(torch.lerp(weights.grad, mean, now).sign_(), alpha=-rate)
                mean.lerp_(weights.grad, 1 - later)


class MuonWithAdamW(Optimizer):
    """Muon for the matrices of the layers, AdamW for embeddings, output layer, norms and biases, as Muon's authors say.

    Its updates are scaled to the size of AdamW's, so that the learning rates of AdamW suit both.

    Args:
        params: parameters or groups of them; a group may have a `weight_decay` of its own.
        lr: the learning rate of both.
        betas, eps: of AdamW. The momentum of Muon is 0.95.
        apart: ids of matrices that belong to AdamW.
    """

    def __init__(
        self,
        params: Groups,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        apart: frozenset[int] = frozenset(),
    ) -> None:
        groups: list[dict[str, object]] = []
        for group in params:
            weights = list(cast("Iterable[torch.Tensor]", group["params"]))
            matrices = [p for p in weights if p.ndim == 2 and id(p) not in apart]
            taken = {id(p) for p in matrices}
            others = [p for p in weights if id(p) not in taken]
            for is_muon, members in ((True, matrices), (False, others)):
                if members:
                    groups.append({**group, "params": members, "is_muon": is_muon})
        super().__init__(groups, {"lr": lr, "weight_decay": 0.0})
        self._parts: list[tuple[bool, Optimizer]] = []
        if self._groups(True):
            self._parts.append((True, Muon(self._groups(True), lr=lr, adjust_lr_fn="match_rms_adamw")))
        if self._groups(False):
            self._parts.append((False, AdamW(self._groups(False), lr=lr, betas=betas, eps=eps, fused=True)))

    def _groups(self, is_muon: bool) -> list[dict[str, object]]:
        return [group for group in self.param_groups if group["is_muon"] is is_muon]

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override] # no closure is used
        for is_muon, part in self._parts:
            # Shared, also after a checkpoint was loaded: state and groups are this object's.
            part.param_groups, part.state = self._groups(is_muon), self.state
            part.step()
