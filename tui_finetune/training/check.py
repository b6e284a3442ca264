"""The check before training: a batch computed, a piece of a checkpoint written and read back, memory and disk compared.

What would end a run after hours is found in seconds. The run is bitwise as without it: random states, gradients and the
model's mode are put back, and no row is fetched through what the training reads them from.
"""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from tui_finetune.config.steps import count_steps
from tui_finetune.data.prepare import row_lengths
from tui_finetune.data.tokens.pack import IGNORED
from tui_finetune.errors import Notice, UserError
from tui_finetune.formatting import size
from tui_finetune.models.memory import OVERHEAD, disk_bytes, load_of, peak
from tui_finetune.runs.events import CheckEvent
from tui_finetune.system.files import is_storage_error
from tui_finetune.system.memory import forget_peak, peak_memory
from tui_finetune.training.memory import MemoryNeeds, TooLittleMemory
from tui_finetune.training.rng import untouched_random_state

if TYPE_CHECKING:
    from datasets import Dataset

    from tui_finetune.data.tokens.collate import Batch
    from tui_finetune.training.trainer import RunTrainer

AGAIN_BELOW = 0.5
"""Seconds of a batch below which it is computed a second time: the first has to warm up, and would be taken for slow."""

PIECE_BYTES = 64_000_000
"""Bytes of the weights that are written and read back: enough to know the disk, in a moment."""

PIECE = "check-before-training"
"""The folder beside the checkpoints in which they are for that moment."""


def check_before_training(
    trainer: RunTrainer, rows: Dataset, needs: MemoryNeeds, folder: Path
) -> tuple[CheckEvent, list[Notice]]:
    """Check a run that is ready to begin.

    Args:
        trainer: made, and not begun.
        rows: what it trains on.
        needs: the run, and what memory it takes.
        folder: where the checkpoints will be.

    Returns:
        What was measured, and what should be known.

    Raises:
        UserError: the disk has no room or can't be written to, or the loss is no number.
        TooLittleMemory: it needs more than there is.
    """
    disk, free, notices = _check_disk(needs, folder)
    lengths = row_lengths(rows)
    longest = np.sort(np.argsort(-lengths, kind="stable")[: needs.config.per_device_train_batch_size])
    tokens, seconds, measured = _try_batch(trainer, [rows[int(row)] for row in longest], needs)
    needed, usable = needs.corrected(measured), needs.usable
    if needed is not None and needed > usable:
        raise TooLittleMemory(needed, usable, measured=True)
    written, save_seconds = _try_saving(trainer, folder)
    weights = sum(weight.numel() * weight.element_size() for weight in _trained(trainer).values())
    steps = count_steps(len(rows), needs.config) * needs.config.gradient_accumulation_steps
    # A batch of chance is as long as the longest of its rows, which packed are all alike.
    share = min(1.0, float(lengths.mean() / max(lengths.max(), 1))) if len(lengths) else 1.0
    return CheckEvent(
        needed=needed,
        estimated=needs.estimated,
        usable=usable,
        batch_seconds=round(seconds, 4),
        batch_tokens=tokens,
        length=int(lengths.max()),
        training_seconds=round(steps * seconds * share, 1),
        disk=disk,
        disk_free=free,
        save_seconds=round(save_seconds * max(1.0, weights / max(written, 1)), 3),
    ), notices


def _check_disk(needs: MemoryNeeds, folder: Path) -> tuple[int | None, int, list[Notice]]:
    """Bytes that the run will have on the disk at once, bytes that are free, and what should be known of that."""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if needs.facts.parameters is None:
        return None, free, []
    load = load_of(needs.config, needs.facts, needs.device)
    optimizer = peak(needs.config, needs.facts, load, needs.device, needs.length)["optimizer"]
    one, disk = disk_bytes(needs.config, load, optimizer)
    if free < one + load.saved:
        raise UserError(
            f"the disk has {size(free)} free, and a checkpoint and the final model take {size(one + load.saved)}",
            "free some space, or set output_dir to a folder on another disk",
            "output_dir",
        )
    if free < disk:
        message = f"The disk has {size(free)} free, and the run may have {size(disk)} on it at once."
        return disk, free, [Notice("warning", message, "free some space, or set save_only_model: true", "output_dir")]
    return disk, free, []


def _try_batch(trainer: RunTrainer, rows: list[dict[str, Any]], needs: MemoryNeeds) -> tuple[int, float, int | None]:
    """Compute a batch forward and backward: its tokens, seconds, and the bytes of memory at the most, where known."""
    model = trainer.language_model
    training = model.training
    model.train()
    with untouched_random_state():
        try:
            batch: Batch = trainer._prepare_inputs(trainer.data_collator(rows))
            _begin_measuring(needs.device.kind)
            seconds = _compute(trainer, batch)
            measured = _measured(needs.device.kind)
            if seconds < AGAIN_BELOW:
                seconds = min(seconds, _compute(trainer, batch))
        finally:
            model.zero_grad(set_to_none=True)
            model.train(training)
            trainer.forget_measured()
    tokens = sum(
        ids.numel() for name, ids in batch.items() if name.endswith("input_ids") and not name.startswith("KL_")
    )
    return tokens, seconds, measured


def _compute(trainer: RunTrainer, batch: Batch) -> float:
    """A batch forward and backward; the seconds it took."""
    model = trainer.language_model
    model.zero_grad(set_to_none=True)
    began = time.perf_counter()
    # Trainer's model is not wrapped for mixed precision before it trains.
    with trainer.accelerator.autocast():
        loss = trainer.compute_loss(model, batch)
    assert isinstance(loss, torch.Tensor)
    loss.backward()
    value = float(loss.detach())  # which waits for the device
    seconds = time.perf_counter() - began
    labels = batch.get("labels")
    if not np.isfinite(value) and (labels is None or bool((labels[:, 1:] != IGNORED).any())):
        raise UserError(
            f"the loss of the longest batch is {value} before anything was trained",
            "set precision: fp32; if it is the same then, the model's weights are damaged",
            "precision",
        )
    return seconds


def _begin_measuring(kind: str) -> None:
    if kind == "cuda":
        torch.cuda.reset_peak_memory_stats()
    elif kind == "cpu":
        forget_peak()


def _measured(kind: str) -> int | None:
    if kind == "cuda":
        return torch.cuda.max_memory_allocated() + OVERHEAD["cuda"]
    return peak_memory() if kind == "cpu" else None


def _trained(trainer: RunTrainer) -> dict[str, torch.Tensor]:
    return {name: weight for name, weight in trainer.language_model.named_parameters() if weight.requires_grad}


def _try_saving(trainer: RunTrainer, folder: Path) -> tuple[int, float]:
    """Write a piece of what a checkpoint holds, read it back and compare; its bytes, and the seconds that writing took."""
    from safetensors.torch import load_file, save_file

    piece: dict[str, torch.Tensor] = {}
    count = 0
    for name, weight in _trained(trainer).items():
        piece[name] = weight.detach().flatten()[: max(1, (PIECE_BYTES - count) // weight.element_size())].cpu().clone()
        count += piece[name].numel() * weight.element_size()
        if count >= PIECE_BYTES:
            break
    place = folder / PIECE
    shutil.rmtree(place, ignore_errors=True)  # what a killed process left
    began = time.perf_counter()
    try:
        place.mkdir(mode=0o700, parents=True)
        file = place / "piece.safetensors"
        save_file(piece, file)
        with file.open("rb") as written:
            os.fsync(written.fileno())
        seconds = time.perf_counter() - began
        trainer.tokenizer.save_pretrained(place)
        back = load_file(file)
        same = all(torch.equal(back[name].view(torch.uint8), piece[name].view(torch.uint8)) for name in piece)
    except Exception as error:
        if not is_storage_error(error):
            raise
        raise UserError(
            f"a checkpoint can't be written to {folder}: {error}",
            "free some space or check the permissions, or set output_dir to a folder on another disk",
            "output_dir",
        ) from None
    finally:
        shutil.rmtree(place, ignore_errors=True)
    if not same:
        raise UserError(
            f"what is written to {folder} is not what is read back",
            "the disk is failing: set output_dir to a folder on another one",
            "output_dir",
        )
    return count, seconds
