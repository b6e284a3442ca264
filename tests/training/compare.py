"""Whether two runs ended as one: bitwise, in everything that a run leaves."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors.torch import load_file

from tui_finetune.runs import checkpoints

if TYPE_CHECKING:
    from tests.training.conftest import Trained


def weights_name(folder: Path) -> str:
    """The file with the weights: of a model, or of an adapter."""
    return next(name for name in ("model.safetensors", "adapter_model.safetensors") if (folder / name).is_file())


def tensors(checkpoint: Path) -> dict[str, torch.Tensor]:
    """The weights in a checkpoint, and the optimizer's moments."""
    weights = load_file(checkpoint / weights_name(checkpoint))
    optimizer = torch.load(checkpoint / "optimizer.pt", weights_only=True)["state"]
    moments = {f"{n}.{k}": v for n, entry in optimizer.items() for k, v in entry.items() if torch.is_tensor(v)}
    return {**weights, **moments}


def assert_same(one: Trained, other: Trained) -> None:
    """The newest checkpoints, the losses and the final models are the same to the last bit."""
    ours, theirs = (tensors(checkpoints.committed(t.run.checkpoints_dir)[-1]) for t in (one, other))
    assert ours.keys() == theirs.keys()
    different = [name for name in ours if not torch.equal(ours[name], theirs[name])]
    assert different == []
    assert one.losses() == other.losses()
    assert one.eval_losses() == other.eval_losses()
    weights = weights_name(one.run.final_dir)
    for name in (weights, "adapter_config.json" if weights.startswith("adapter") else "config.json"):
        assert (one.run.final_dir / name).read_bytes() == (other.run.final_dir / name).read_bytes()
