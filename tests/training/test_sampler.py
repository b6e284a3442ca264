"""Padded rows are batched with rows of like length, and a resumed run finds its place among them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.tiny import sentences, write_jsonl
from tests.training.compare import assert_same
from tests.training.conftest import Train
from tui_finetune.training.sampler import GroupedByLength


def order_of(lengths: np.ndarray, batch: int, seed: int = 0, epoch: int = 0) -> list[int]:
    sampler = GroupedByLength(lengths, batch, seed)
    sampler.set_epoch(epoch)
    return list(sampler)


def filled(lengths: np.ndarray, order: list[int], batch: int) -> float:
    """Tokens over room, batches padded to their longest row."""
    batches = [lengths[order[start : start + batch]] for start in range(0, len(order), batch)]
    room = sum(part.max() * len(part) for part in batches)
    return float(lengths.sum() / room)


@pytest.mark.parametrize(("rows", "batch"), [(1003, 8), (5, 8), (8, 8), (1, 1), (401, 8)])
def test_every_row_comes_once_and_the_longest_first(rows: int, batch: int) -> None:
    lengths = np.random.default_rng(0).integers(1, 500, rows)
    order = order_of(lengths, batch)
    assert sorted(order) == list(range(rows))
    if rows >= batch and rows % batch == 0:
        assert lengths[order[:batch]].max() == lengths.max()


def test_batches_hold_rows_of_like_length_in_an_order_that_has_no_trend() -> None:
    lengths = np.random.default_rng(0).lognormal(5.05, 0.85, 4003).astype(np.int64).clip(8, 512)
    order = order_of(lengths, 8)
    assert filled(lengths, order, 8) > 0.95
    assert filled(lengths, list(range(len(lengths))), 8) < 0.6
    means = [lengths[order[start : start + 8]].mean() for start in range(8, 4000, 8)]
    assert abs(np.corrcoef(means, np.arange(len(means)))[0, 1]) < 0.1


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    lengths = np.random.default_rng(0).integers(1, 500, 200)
    assert order_of(lengths, 8) == order_of(lengths, 8)
    assert order_of(lengths, 8) != order_of(lengths, 8, epoch=1)
    assert order_of(lengths, 8) != order_of(lengths, 8, seed=1)


PADDED = {
    "packing": False, "group_by_length": True, "per_device_train_batch_size": 4, "gradient_accumulation_steps": 2, "num_train_epochs": 2,
    "logging_steps": 2, "save_total_limit": 9, "early_stopping_patience": 3,
}  # fmt: skip


def test_padded_and_stopped_anywhere_it_goes_on_exactly(train: Train, place: Path) -> None:
    whole = train("whole", **PADDED)
    steps = whole.state.total_steps
    for step in (steps // 2, steps - 2):
        train(f"at-{step}", at={step: lambda run: run.request("stop")}, **PADDED)
        assert_same(train(f"at-{step}", resume=True), whole)


def test_a_run_of_before_there_was_the_choice_stays_grouped(train: Train, place: Path) -> None:
    whole = train("whole", **PADDED)
    run = train("old", at={3: lambda run: run.request("stop")}, **PADDED).run
    text = run.config_path.read_text()
    run.config_path.write_text("\n".join(line for line in text.splitlines() if "group_by_length" not in line))
    assert_same(train("old", resume=True), whole)


def test_a_run_is_trained_on_grouped_rows_where_that_is_asked_for_but_under_the_tutorials_preset(
    train: Train, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tui_finetune.training.trainer import RunTrainer

    write_jsonl(place / "data.jsonl", sentences(200, least=1, most=40))
    widths: list[tuple[int, float]] = []
    original = RunTrainer.training_step

    def watched(self, model, inputs, *rest, **more):
        width = inputs["input_ids"].shape[1]
        widths.append((width, float(inputs["attention_mask"].sum()) / inputs["input_ids"].numel()))
        return original(self, model, inputs, *rest, **more)

    monkeypatch.setattr(RunTrainer, "training_step", watched)
    settings = {"num_train_epochs": 1, "per_device_train_batch_size": 8, "eval_strategy": "no", "save_strategy": "no"}
    assert train("grouped", packing=False, group_by_length=True, **settings).outcome.status == "finished"
    assert np.mean([share for _, share in widths]) > 0.9
    assert widths[0][0] == max(width for width, _ in widths) > min(width for width, _ in widths)
    widths.clear()
    assert train("tutorial", preset="tutorial", max_steps=2, **settings).outcome.status == "finished"
    assert {width for width, _ in widths} == {64}
