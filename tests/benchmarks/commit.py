"""What committing checkpoints costs: hashes, fsync and manifest, against the training at the default saving.

    python -m tests.benchmarks.commit [STEPS]

A GPT-2 of 25 million weights (100 MB) with random values is trained on the default sample with the default settings, by
which a checkpoint (300 MB, with the optimizer's moments) is saved and committed each epoch. Measured are the median time
of a step and that of `commit`; the share is of an epoch of such steps, its evaluation left out.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any
from unittest import mock

from tui_finetune.cli.tables import table

GOAL = 0.03


def make_model(folder: Path) -> int:
    """A GPT-2 of 100 MB with the starter's tokenizer; gives its weights' bytes."""
    from transformers import GPT2Config, GPT2LMHeadModel

    from tui_finetune.models.loading import load_tokenizer
    from tui_finetune.models.located import locate

    tokenizer = load_tokenizer(locate("starter"))
    tokenizer.save_pretrained(folder)
    config = GPT2Config(
        vocab_size=len(tokenizer), n_positions=512, n_embd=512, n_layer=7, n_head=8, bos_token_id=0, eos_token_id=0
    )
    model = GPT2LMHeadModel(config)
    model.save_pretrained(folder)
    return sum(weights.numel() * weights.element_size() for weights in model.parameters())


def timed(call: Callable[..., Any], seconds: list[float]) -> Callable[..., Any]:
    """The same call, with what it takes noted."""

    def work(*arguments: Any, **options: Any) -> Any:
        began = time.monotonic()
        try:
            return call(*arguments, **options)
        finally:
            seconds.append(time.monotonic() - began)

    return work


def main() -> int:
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    with tempfile.TemporaryDirectory() as base:
        os.environ["FINETUNE_TUI_STATE"] = f"{base}/state"
        os.environ["FINETUNE_TUI_CACHE"] = f"{base}/cache"
        size = make_model(Path(base) / "model")
        from tui_finetune.config.resolve import resolve
        from tui_finetune.runs import checkpoints
        from tui_finetune.runs.directory import RunDirectory
        from tui_finetune.runs.summary import load_state
        from tui_finetune.training import trainer
        from tui_finetune.training.session import TrainingSession

        run = RunDirectory(Path(base) / "run")
        run.create()
        commits: list[float] = []
        saves: list[float] = []
        save = timed(trainer.RunTrainer._save_checkpoint, saves)
        settings = {"max_steps": steps, "logging_steps": 1, "eval_strategy": "no"}
        with (
            mock.patch.object(checkpoints, "commit", timed(checkpoints.commit, commits)),
            mock.patch.object(trainer.RunTrainer, "_save_checkpoint", save),
        ):
            outcome = TrainingSession(resolve({"model": f"{base}/model", **settings}), run).run()
        if outcome.error is not None:
            raise SystemExit(outcome.error.message)
        state = load_state(run)
        assert state.epoch is not None
        steps_per_epoch = state.logged_step / state.epoch
        epoch = steps_per_epoch * (state.pace.seconds_per_step or 0)
        saved = state.checkpoints[-1].bytes or 0
    share = median(commits) / epoch
    print(
        f"Committing a checkpoint of {saved / 1e6:.0f} MB of a model of {size / 1e6:.0f} MB each epoch "
        f"(goal: at most {GOAL} of the training)"
    )
    rows = [
        (f"an epoch of {steps_per_epoch:.0f} steps", f"{epoch:.2f}", "1.000"),
        ("saving, committing included", f"{median(saves):.2f}", f"{median(saves) / epoch:.3f}"),
        ("committing", f"{median(commits):.2f}", f"{share:.3f}"),
    ]
    for line in table(("", "seconds", "ratio to the epoch"), rows, right=frozenset({1, 2})):
        print("  " + line)
    return 0 if share <= GOAL else 1


if __name__ == "__main__":
    raise SystemExit(main())
