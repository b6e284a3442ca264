"""The evaluation loss: the mean over all tokens, whatever the batches."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM

from tests.training.conftest import Trained
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.summary import load_state
from tui_finetune.training.trainer import RunTrainer

Train = Callable[..., Trained]


def mean_over_tokens(model_folder: Path, rows: Dataset) -> float:
    """Worked out row by row, in float64, from the logits."""
    model = AutoModelForCausalLM.from_pretrained(model_folder).eval()
    total, count = 0.0, 0
    for row in rows:
        ids, labels = torch.tensor([list(row["input_ids"])]), torch.tensor([list(row["labels"])])
        positions = {"position_ids": torch.tensor([list(row["position_ids"])])} if "position_ids" in row else {}
        with torch.no_grad():
            logits = model(input_ids=ids, use_cache=False, **positions).logits[:, :-1].double()
        wanted = labels[:, 1:]
        kept = wanted != -100
        losses = torch.nn.functional.cross_entropy(logits[kept], wanted[kept], reduction="sum")
        total += float(losses)
        count += int(kept.sum())
    return total / count


@pytest.mark.parametrize("packing", [True, False])
def test_it_is_the_mean_over_tokens_at_every_batch_size(
    train: Train, monkeypatch: pytest.MonkeyPatch, packing: bool
) -> None:
    rows: list[Dataset] = []
    usual = RunTrainer.__init__

    def made(self: RunTrainer, *args: object, **options: object) -> None:
        usual(self, *args, **options)  # type: ignore[arg-type]
        rows.append(self.eval_dataset)

    monkeypatch.setattr(RunTrainer, "__init__", made)
    losses = []
    for size in (1, 3, 8):
        trained = train(
            f"by-{size}", max_steps=1, packing=packing, per_device_eval_batch_size=size, validation_split=0.3
        )
        losses.append(trained.eval_losses()[-1][1])
    expected = mean_over_tokens(trained.run.final_dir, rows[-1])
    assert losses == pytest.approx([expected] * 3, abs=1e-6)
    assert len(rows[-1]) % 8
    assert len({len(row["input_ids"]) for row in rows[-1]}) > 1


def test_trainers_own_mean_depends_on_the_batches(train: Train) -> None:
    losses = [
        train(
            f"by-{size}",
            max_steps=1,
            packing=False,
            per_device_eval_batch_size=size,
            validation_split=0.3,
            eval_loss_average="batches",
        ).eval_losses()[-1][1]
        for size in (1, 8)
    ]
    assert losses[0] != pytest.approx(losses[1], abs=1e-4)


def test_a_run_of_before_there_was_the_choice_keeps_trainers_mean(train: Train) -> None:
    run = train("old", max_steps=2, eval_loss_average="batches").run
    text = run.config_path.read_text()
    run.config_path.write_text("\n".join(line for line in text.splitlines() if "eval_loss_average" not in line))
    assert run.read_config().eval_loss_average == "batches"


def test_the_evaluation_before_the_first_step_changes_nothing(train: Train) -> None:
    with_it = train("with", max_steps=6, eval_steps=3, eval_strategy="steps")
    without = train("without", max_steps=6, eval_steps=3, eval_strategy="steps", eval_on_start=False)
    assert with_it.losses() == without.losses()
    assert with_it.eval_losses() == without.eval_losses()
    weights = [(trained.run.final_dir / "model.safetensors").read_bytes() for trained in (with_it, without)]
    assert weights[0] == weights[1]
    assert without.state.loss_before is None
    assert with_it.state.loss_before == with_it.outcome.loss_before > with_it.eval_losses()[-1][1]
    assert with_it.state.best_step in {3, 6}


def test_a_resumed_run_keeps_the_loss_before_its_first_step(train: Train) -> None:
    train("run", max_steps=4, eval_steps=2, eval_strategy="steps")
    before = load_state(RunDirectory(Path("run"))).loss_before
    again = train("run", resume=True, changes={"max_steps": 8})
    assert again.state.loss_before == before is not None
    assert sum(bool(event.get("before_training")) for event in again.events) == 1
