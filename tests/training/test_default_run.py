"""`finetune-tui train` with no arguments: the starter learns to tell tales of the sea."""

from __future__ import annotations

from pathlib import Path

import pytest

from tui_finetune.config.resolve import resolve
from tui_finetune.models.catalog import model_settings
from tui_finetune.models.located import locate
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.naming import new_run_path
from tui_finetune.runs.summary import load_state
from tui_finetune.starter.recipe.judge import judge
from tui_finetune.training.session import TrainingSession

STORIES = 5


def _share_of_sea(name: str) -> float:
    """The share of sentences, in stories that the model writes from nothing, that are sentences of the sea tales."""
    from tui_finetune.chat.engine import Engine
    from tui_finetune.chat.sampling import Sampling

    engine = Engine.load(locate(name))
    texts = [engine.reply("", Sampling(temperature=0.7, max_new_tokens=150, seed=seed)).text for seed in range(STORIES)]
    sentences = [sentence for text in texts for sentence in judge(text).sentences]
    return sum("sea" in sentence.worlds for sentence in sentences) / len(sentences)


EPOCHS = pytest.mark.parametrize("epochs", [1, pytest.param(3, marks=pytest.mark.long)])


@EPOCHS
def test_the_default_run_changes_what_the_starter_writes(place: Path, epochs: int) -> None:
    assert resolve().config.num_train_epochs == 3
    resolved = resolve({"num_train_epochs": epochs}, model_settings=model_settings)
    run = RunDirectory(new_run_path(resolved.config))
    run.create()
    outcome = TrainingSession(resolved, run).run()
    assert outcome.status == "finished"
    state = load_state(run)
    assert len(state.eval_losses) == epochs
    assert list(state.eval_losses.values) == sorted(state.eval_losses.values, reverse=True)
    assert len(state.losses) >= 10 * epochs
    assert _share_of_sea("starter") < 0.05
    assert _share_of_sea(str(run.final_dir)) > 0.5
