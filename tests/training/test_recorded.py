"""A run that version 1.0 trained and stopped: it is listed, opened, resumed to the same losses, and talked to.

`recorded/` was made in /tmp/recorded: `run` was stopped after step 6 of 12, `whole.txt` is what the same run logged that
was left alone.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.training.losses import differences, from_text, logged
from tui_finetune.runs import checkpoints, registry
from tui_finetune.runs.directory import RunDirectory
from tui_finetune.runs.summary import load_state, summarize

RECORDED = Path(__file__).parent / "recorded"
MADE_IN = "/tmp/recorded"


@pytest.fixture
def recorded(place) -> RunDirectory:
    """The recorded run, as if it had been made in this test's folder."""
    shutil.copytree(RECORDED, place / "recorded")
    here = place / "recorded"
    run = RunDirectory(here / "run")
    run.control_dir.mkdir(exist_ok=True)  # git keeps no empty folders
    for path in (run.config_path, run.events_path, *run.checkpoints_dir.glob("*/manifest.json")):
        path.write_text(path.read_text().replace(MADE_IN, str(here)))
    for path in run.checkpoints_dir.glob("*/manifest.json"):
        manifest = json.loads(path.read_text())
        del manifest["check"]
        path.write_text(json.dumps({**manifest, "check": checkpoints._check(manifest)}))
    registry.note(run)
    return run


def test_it_is_listed_and_opened(recorded: RunDirectory) -> None:
    assert [run.path for run in registry.known_runs()] == [recorded.path]
    summary = summarize(recorded)
    assert (summary.status, summary.step, summary.total_steps) == ("stopped", 6, 12)
    assert summary.best_eval_loss == pytest.approx(5.695522785186768)
    state = load_state(recorded)
    assert [saved.step for saved in state.checkpoints] == [4, 6]
    assert len(state.losses) == 6
    result = state.result
    assert result is not None
    assert (result.status, result.checkpoint_step, result.final_step) == ("stopped", 6, 4)


def test_it_is_resumed_to_the_same_losses(recorded: RunDirectory) -> None:
    import torch

    from tui_finetune.training.session import TrainingSession

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        result = TrainingSession.resume(recorded).run()
    finally:
        torch.set_num_threads(threads)
    assert result.status == "finished", result.error
    assert result.step == 12
    whole = from_text((RECORDED / "whole.txt").read_text())
    assert differences(logged(recorded.events_path), whole) == []
    assert (recorded.final_dir / "model.safetensors").is_file()


def test_its_final_model_and_checkpoints_are_talked_to(recorded: RunDirectory) -> None:
    from tui_finetune.chat.engine import Engine
    from tui_finetune.chat.sampling import Sampling
    from tui_finetune.models.located import locate

    for folder in (recorded.final_dir, recorded.checkpoints_dir / "checkpoint-6"):
        reply = Engine.load(locate(str(folder))).reply("the old lamp", Sampling(max_new_tokens=8, temperature=0))
        assert reply.text
